"""A study as people write it: a TOML file that says which plans to run, and over which seeds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from fedface_cli.plan_files import make_part
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan.part import PositiveInt

# Names of files and of columns are made of these.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$", max_length=80)]
Seed = Annotated[int, Field(ge=0)]
Axes = dict[str, tuple[Any, ...]]
Tree = dict[str, Any]


class _StudyPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RepeatPlan(_StudyPart):
    """Each arm is run once for each seed, which becomes the value of ``fields``."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    fields: Annotated[tuple[str, ...], Field(min_length=1, description="Dotted, such as `split.seed` or `pretrain.seed`.")]

    @field_validator("seeds")
    @classmethod
    def _no_seed_twice(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise ValueError(f"each seed once; {', '.join(map(str, twice))} is here more often")
        return seeds


class Study(_StudyPart):
    """What to run. Fields of the plan are dotted names; those of the pre-training begin with ``pretrain.``."""

    name: Name
    plan: Tree = Field(default_factory=dict, description="What all arms have in common: fields of a plan.")
    pretrain: Tree | None = Field(default=None, description="Pre-train the initial networks so: fields of `PretrainPlan`.")
    arms: dict[Name, Tree] = Field(min_length=1, description="By name, what each changes of the plan.")
    grid: Axes = Field(default_factory=dict, description="Dotted field → values; every arm is run at every combination.")
    repeat: RepeatPlan
    metric: str = Field(default="tar@1e-3", description="What plots show: tar@FAR, auc or eer.")
    score_every: PositiveInt = Field(default=1, description="Score each so many rounds; round 0 and the last always.")
    upper_bound: str | None = Field(default=None, description="The arm that shows how much there is to gain.")

    @field_validator("grid", mode="before")
    @classmethod
    def _by_dotted_name(cls, given: Any) -> Any:
        return dict(leaves(given)) if isinstance(given, dict) else given

    @field_validator("grid")
    @classmethod
    def _axes_have_distinct_values(cls, grid: Axes) -> Axes:
        for field, values in grid.items():
            if len(values) != len({repr(value) for value in values}) or not values:
                raise ValueError(f"{field} needs a list of values, each once")
        return grid

    @model_validator(mode="after")
    def _upper_bound_is_an_arm(self) -> Self:
        if self.upper_bound is not None and self.upper_bound not in self.arms:
            raise ValueError(f"upper_bound is {self.upper_bound!r}, but the arms are {', '.join(self.arms)}")
        return self

    @model_validator(mode="after")
    def _the_grid_leaves_the_seeds_alone(self) -> Self:
        both = [field for field in self.grid if field in (*self.repeat.fields, "seed")]
        if both:
            raise ValueError(f"the grid sets {', '.join(both)}, which is for [repeat] to set")
        return self

    @model_validator(mode="after")
    def _pretraining_is_asked_for_where_it_is_set(self) -> Self:
        elsewhere = [*self.repeat.fields, *self.grid, *(field for arm in self.arms.values() for field in arm)]
        if self.pretrain is None and any(field.split(".")[0] == "pretrain" for field in elsewhere):
            raise ValueError("fields of pretrain are set, but there is no [pretrain]")
        return self


def read_study(path: Path) -> Study:
    """The study in a file. `InvalidInputError` names each wrong field."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path} is not text: a study is a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path} is not TOML: {error}") from None
    return make_part(Study, given, f"{path} is not a study")


def leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Each value by its dotted field: ``a.b = 1`` is nested in TOML and ``"a.b" = 1`` is not, but both mean one thing."""
    return [
        leaf
        for name, value in tree.items()
        for leaf in (leaves(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)])
    ]
