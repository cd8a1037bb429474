"""The part of a plan about stopping: which conditions end a run before its last round."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StrictFloat, model_validator

from fedface_core.domain.plan.part import LARGEST, Fraction, PlanPart, PositiveInt


class StopPlan(PlanPart):
    """The conditions that complete a run early. They are checked when a round has ended."""

    far: Annotated[StrictFloat, Field(gt=0, lt=1)] | None = Field(
        default=None, description="The false accept rate at which `target_tar` and `patience` use the TAR."
    )
    target_tar: Fraction | None = Field(default=None, description="Stop once the TAR reaches this.")
    patience: PositiveInt | None = Field(
        default=None, description="Stop once this many evaluated rounds in a row have not raised the best TAR."
    )
    least_gain: Annotated[StrictFloat, Field(ge=0, lt=1)] = Field(
        default=0.0, description="For `patience`: a TAR must be higher than the best before by more than this."
    )
    wall_clock_seconds: Annotated[StrictFloat, Field(gt=0, le=LARGEST)] | None = Field(
        default=None, description="Stop after this time since the start of the run, without its pauses."
    )

    @model_validator(mode="after")
    def _far_is_given_if_needed(self) -> Self:
        if self.far is None and (self.target_tar is not None or self.patience is not None):
            raise ValueError("target_tar and patience look at the TAR at one false accept rate: give that as `far`")
        return self
