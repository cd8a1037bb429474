"""What all parts of a plan have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]


class PlanPart(BaseModel):
    """A frozen part of a plan; unknown fields are refused."""

    # JSON has no infinity: a plan with one could be stored, and never read again.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
