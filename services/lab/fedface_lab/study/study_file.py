"""The study file, a TOML file: which plans to run and with which seeds. Reads and checks it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from fedface_cli.plan_files import kind_of_document, make_part, parse_document
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan.part import PositiveInt, Seed
from fedface_core.files.bounded_file import read_text
from fedface_learning.data import ScoredPart

# Names become parts of file names and of column names.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$", max_length=80)]
MOST_SEEDS = 10_000
Axes = dict[str, tuple[Any, ...]]
Tree = dict[str, Any]


class _StudyPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RepeatPlan(_StudyPart):
    """Each arm is run once for each seed. The seed becomes the value of each of the ``fields``."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)]
    fields: Annotated[tuple[str, ...], Field(min_length=1, description="Dotted, such as `split.seed` or `pretrain.seed`.")]

    @field_validator("seeds")
    @classmethod
    def _no_seed_twice(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise ValueError(f"each seed once; {', '.join(map(str, twice))} is here more often")
        return seeds


class Study(_StudyPart):
    """A study: arms, grid and seeds. Plan fields are dotted names; those of the pre-training begin with ``pretrain.``."""

    name: Name
    plan: Tree = Field(default_factory=dict, description="The fields of a plan that all arms share.")
    pretrain: Tree | None = Field(
        default=None, description="Pre-train the initial networks with these fields of `PretrainPlan`."
    )
    arms: dict[Name, Tree] = Field(min_length=1, description="By name, the fields of the plan that each arm changes.")
    grid: Axes = Field(default_factory=dict, description="Dotted field → values; every arm is run at every combination.")
    repeat: RepeatPlan
    metric: str = Field(default="tar@1e-3", description="The metric of the plots: tar@FAR, auc or eer.")
    score_every: PositiveInt = Field(default=1, description="Score every n-th round; round 0 and the last one always.")
    scored_part: ScoredPart = Field(
        default="test",
        description="The part of the split whose people are scored: `validation` while settings are chosen. If the split "
        "has validation people, the test people are scored in round 0 and after the last round only.",
    )
    upper_bound: str | None = Field(default=None, description="The arm that shows the largest possible gain.")
    fused: tuple[str, ...] = Field(
        default=(), description="The arms whose rounds are computed as one batch each: faster, and equal but for rounding."
    )
    centred: tuple[str, ...] = Field(
        default=(),
        description="The arms that start from a network whose centre is the mean feature of the clients, as after round 0 "
        "of a run with `model.centring`; for strategies that measure no centre.",
    )
    recentred: tuple[str, ...] = Field(
        default=(),
        description="The arms whose last model gets the mean feature of the clients, by that model, as its centre before it "
        "is scored, as after round 0 of a further run.",
    )
    without_clients: str | None = Field(
        default=None, description="The arm that learns from no client; what is recovered is also told net of its gain."
    )
    plot_against: str | None = Field(
        default=None,
        description="A field of the plan that every arm sets to another number: the gain is plotted against it, too, with a "
        "point for each arm.",
    )
    compared: dict[str, str] = Field(
        default_factory=dict, description="Arm → the arm beside which it is told what it gives in the end, seed by seed."
    )

    @field_validator("grid", mode="before")
    @classmethod
    def _flatten_to_dotted_names(cls, given: Any) -> Any:
        return dict(leaves(given)) if isinstance(given, dict) else given

    @field_validator("grid")
    @classmethod
    def _axes_have_distinct_values(cls, grid: Axes) -> Axes:
        for field, values in grid.items():
            if len(values) != len({repr(value) for value in values}) or not values:
                raise ValueError(f"{field} needs a list of values, each once")
        return grid

    @model_validator(mode="after")
    def _bounds_are_arms(self) -> Self:
        for field, arm in (("upper_bound", self.upper_bound), ("without_clients", self.without_clients)):
            if arm is not None and arm not in self.arms:
                raise ValueError(f"{field} is {arm!r}, but the arms are {', '.join(self.arms)}")
        if self.without_clients is not None and self.upper_bound in (None, self.without_clients):
            raise ValueError(
                "without_clients needs an upper_bound, which is another arm: it tells what lies between the two"
            )
        return self

    @model_validator(mode="after")
    def _listed_arms_are_arms(self) -> Self:
        for field, listed in (("fused", self.fused), ("centred", self.centred), ("recentred", self.recentred)):
            unknown = [arm for arm in listed if arm not in self.arms]
            if unknown:
                raise ValueError(f"{field} names {', '.join(map(repr, unknown))}, but the arms are {', '.join(self.arms)}")
        return self

    @model_validator(mode="after")
    def _compared_arms_are_arms(self) -> Self:
        for arm, other in self.compared.items():
            unknown = [name for name in (arm, other) if name not in self.arms]
            if unknown:
                raise ValueError(f"compared names {unknown[0]!r}, but the arms are {', '.join(self.arms)}")
            if arm == other:
                raise ValueError(f"compared has {arm!r} beside itself; name another arm")
        return self

    @model_validator(mode="after")
    def _the_arms_can_be_plotted_as_points(self) -> Self:
        values = [dict(leaves(arm)).get(self.plot_against or "") for arm in self.arms.values()]
        if self.plot_against is not None and not (all(map(is_number, values)) and len(set(values)) == len(values)):
            raise ValueError(f"plot_against is {self.plot_against}, so every arm must set it, each to a number of its own")
        if self.plot_against in (*self.grid, *self.repeat.fields):
            raise ValueError(f"plot_against is {self.plot_against}, which is not for the arms alone to set")
        return self

    @model_validator(mode="after")
    def _the_grid_leaves_the_seeds_alone(self) -> Self:
        conflicting = [field for field in self.grid if field in (*self.repeat.fields, "seed")]
        if conflicting:
            raise ValueError(f"the grid sets {', '.join(conflicting)}, which is for [repeat] to set")
        return self

    @model_validator(mode="after")
    def _pretraining_is_asked_for_if_it_is_set(self) -> Self:
        elsewhere = [*self.repeat.fields, *self.grid, *(field for arm in self.arms.values() for field in arm)]
        if self.pretrain is None and any(field.split(".")[0] == "pretrain" for field in elsewhere):
            raise ValueError("fields of pretrain are set, but there is no [pretrain]")
        return self


def is_number(value: object) -> bool:
    """Whether the value of a field is a number, so that a curve can be drawn along it."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_study(path: Path) -> Study:
    """Read a study from a TOML file. Raises `InvalidInputError`, which names each wrong field, if it is not a study."""
    given = parse_document(read_text(path, "a study is a TOML file"), "TOML", str(path))
    if kind_of_document(given) == "plan":
        raise InvalidInputError(f"{path} is a plan, of one run, and a study is of many: fedface run create {path}")
    return make_part(Study, given, f"{path} is not a study")


def leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Each value of nested tables with its dotted field, so that ``a.b = 1`` and ``"a.b" = 1`` in TOML mean one field.

    ``prefix`` is put before each field.
    """
    return [
        leaf
        for name, value in tree.items()
        for leaf in (leaves(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)])
    ]
