"""A plan file to begin with says every field, and its comments tell the truth."""

from __future__ import annotations

import re
import tomllib

import pytest

from fedface_cli.field_names import parts_of
from fedface_cli.plan_commands import Preset
from fedface_cli.plan_template import PRESETS, plan_template
from fedface_core.domain.plan import Plan

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
        is_table = len(parts) == 1 and getattr(plan, name) is not None
        there = by_table[name] if is_table else top
        wanted = parts[0].model_fields if is_table else [name]
        for one in wanted:
            assert re.search(rf"^(# )?{one} (=|is not set)", there, re.MULTILINE), (name, one)


@each_preset
def test_its_lines_fit_on_a_screen(preset: str) -> None:
    assert max(map(len, plan_template(preset).splitlines())) <= 120
