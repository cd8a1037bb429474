"""What all parts of a plan have in common: their base class, and types of fields that several parts use."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]


def _name_as_object(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


ByName: Final = BeforeValidator(_name_as_object)
"""Lets a user write just the name of a choice that has parameters: ``"fedprox"`` for ``{"name": "fedprox"}``."""


class PlanPart(BaseModel):
    """The base class of the parts of a plan. They are frozen, and refuse unknown fields."""

    # JSON has no infinity: a plan with an infinite number could be stored, but never read again.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
