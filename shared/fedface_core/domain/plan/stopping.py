"""Which conditions end a run before its last round."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from fedface_core.domain.plan.part import Fraction, PlanPart, PositiveInt


class StopPlan(PlanPart):
    """Conditions that end a run as completed, checked when a round has ended. `rounds` of the plan always does."""

    far: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="The false accept rate whose TAR `target_tar` and `patience` look at."
    )
    target_tar: Fraction | None = Field(default=None, description="Stop once the TAR reaches this.")
    patience: PositiveInt | None = Field(
        default=None, description="Stop once so many evaluated rounds in a row have not raised the best TAR."
    )
    least_gain: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="What counts as raising it: more than this above the best before."
    )
    wall_clock_seconds: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Stop after this long since the start, pauses apart."
    )

    @model_validator(mode="after")
    def _rate_is_named(self) -> Self:
        if self.far is None and (self.target_tar is not None or self.patience is not None):
            raise ValueError("target_tar and patience look at the TAR at one false accept rate: give that as `far`")
        return self
