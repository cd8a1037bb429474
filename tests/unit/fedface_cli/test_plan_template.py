"""A plan file to begin with says every field, and its comments tell the truth."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fedface_cli.plan_commands import Preset
from fedface_cli.plan_presets import PRESETS
from fedface_cli.plan_template import plan_template
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.field_names import parts_of
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_core.domain.plan.secure_aggregation import SecureAggregationPlan

PLANS = Path(__file__).parents[3] / "docs/plans"
STUDIES = Path(__file__).parents[3] / "docs/studies"
each_preset = pytest.mark.parametrize("preset", sorted(PRESETS))
COMMENTED = re.compile(r"^# ([a-z_]+ = .*)$", re.MULTILINE)


def test_the_command_offers_the_presets() -> None:
    assert {preset.value for preset in Preset} == PRESETS.keys()


@each_preset
def test_it_is_the_plan_of_the_preset(preset: str) -> None:
    fields = tomllib.loads(plan_template(preset))
    assert Plan.model_validate(fields) == Plan.model_validate(PRESETS[preset])


@each_preset
def test_each_default_that_it_names_is_the_default(preset: str) -> None:
    text = COMMENTED.sub(r"\1", plan_template(preset))
    assert Plan.model_validate(tomllib.loads(text)) == Plan.model_validate(PRESETS[preset])


@each_preset
def test_it_names_every_field(preset: str) -> None:
    text = plan_template(preset)
    top, *tables = re.split(r"^\[", text, flags=re.MULTILINE)
    by_table = {table.partition("]")[0]: table for table in tables}
    plan = Plan.model_validate(PRESETS[preset])
    for name, field in Plan.model_fields.items():
        parts = parts_of(field)
        is_part = len(parts) == 1
        is_missing = is_part and getattr(plan, name) is None
        there = text if is_missing else by_table[name] if is_part else top
        for one in parts[0].model_fields if is_part else [name]:
            assert re.search(rf"^({'#   ' if is_missing else '(# )?'}){one} (=|is not set)", there, re.MULTILINE), (
                name,
                one,
            )


def test_a_part_that_is_not_set_stands_there_with_its_defaults() -> None:
    indented = re.findall(r"^#   (.*)$", plan_template("synthetic"), re.MULTILINE)
    part = tomllib.loads("\n".join(indented))["secure_aggregation"]
    assert part == SecureAggregationPlan().model_dump(mode="json")


def test_gaussian_negatives_learns_as_the_shipped_plan_whose_gain_is_told() -> None:
    """The photographs differ, and how many of a client count; all else is what the results were measured with."""
    shipped = tomllib.loads((PLANS / "rendered_faces.toml").read_text(encoding="utf-8"))
    own = {field: PRESETS["gaussian-negatives"][field] for field in ("name", "data")}
    people = {name: number for name, number in shipped["split"].items() if name != "validation"}
    assert Plan.model_validate(PRESETS["gaussian-negatives"]) == Plan.model_validate(shipped | own | {"split": people})


def test_the_demo_learns_as_the_study_whose_gain_is_told() -> None:
    study = tomllib.loads((STUDIES / "orl_winner.toml").read_text(encoding="utf-8"))
    plan = apply_merge_patch(Plan.model_validate(study["plan"]), study["arms"]["gaussian low resolution"])
    assert Plan.model_validate(PRESETS["orl-gaussian"]) == apply_merge_patch(plan, {"name": PRESETS["orl-gaussian"]["name"]})


def test_a_choice_with_parameters_has_those_that_the_preset_sets() -> None:
    text = plan_template("gaussian-negatives")
    assert 'strategy = {name = "gaussian-negatives", public_batch = 120, guidance_every = 4}' in text.splitlines()


@each_preset
def test_its_lines_fit_on_a_screen(preset: str) -> None:
    assert max(map(len, plan_template(preset).splitlines())) <= 120
