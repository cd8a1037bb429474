"""What all parts of a plan have in common: their base class, and types of fields that several parts use."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt

# Bounds that no honest plan comes near, so that every stored plan is still read. They keep products of a plan's numbers
# finite, and each number in the type that computes with it.
MOST: Final = 1_000_000
"""The largest count in a plan, of steps, rounds, images or clients."""
MOST_PIXELS: Final = 16_384
"""The longest side of an image, and the longest shift of one."""
MOST_SEED: Final = 2**64 - 1
"""The largest seed that torch's generators take."""
LARGEST: Final = 1e9
"""The largest rate, weight or scale in a plan."""

Count = Annotated[StrictInt, Field(ge=0, le=MOST)]
PositiveInt = Annotated[StrictInt, Field(gt=0, le=MOST)]
Pixels = Annotated[StrictInt, Field(gt=0, le=MOST_PIXELS)]
Shift = Annotated[StrictInt, Field(ge=0, le=MOST_PIXELS)]
Seed = Annotated[StrictInt, Field(ge=0, le=MOST_SEED)]
Rate = Annotated[StrictFloat, Field(gt=0, le=LARGEST)]
Decay = Annotated[StrictFloat, Field(ge=0, lt=1)]
Fraction = Annotated[StrictFloat, Field(gt=0, le=1)]


def at_most(most: int) -> BeforeValidator:
    """Refuses a longer list before its items are looked at: each wrong item would be an error of its own."""

    def refuse_longer(value: object) -> object:
        if isinstance(value, list | tuple) and len(value) > most:
            raise ValueError(f"should have at most {most} items, not {len(value)}")
        return value

    return BeforeValidator(refuse_longer)


def _name_as_object(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


ByName: Final = BeforeValidator(_name_as_object)
"""Lets a user write just the name of a choice that has parameters: ``"fedprox"`` for ``{"name": "fedprox"}``."""


def default_depends(schema: dict[str, Any]) -> None:
    """Takes the default out of a field's JSON schema, since another field says which it is.

    Generated clients send the defaults that a schema names.
    """
    schema.pop("default", None)


def nothing_required(schema: dict[str, Any]) -> None:
    """Takes the required fields out of a part's JSON schema, since a validator fills in those that are missing."""
    schema.pop("required", None)


class PlanPart(BaseModel):
    """The base class of the parts of a plan. They are frozen, and refuse unknown fields."""

    # JSON has no infinity: a plan with an infinite number could be stored, but never read again.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
