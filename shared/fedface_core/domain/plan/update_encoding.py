"""The update encodings that a plan may name, each with its own parameters: how a client uploads the model it has trained."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from fedface_core.domain.plan.part import ByName, Fraction, PlanPart

_ErrorFeedback = Annotated[
    bool,
    Field(
        description="Whether a client adds what the encoding lost of its change to its next change. Synchronous runs only."
    ),
]


class Float32Plan(PlanPart):
    """The whole model in single precision; nothing is lost."""

    name: Literal["float32"] = Field(default="float32", description="Which encoding it is.")

    @property
    def error_feedback(self) -> bool:
        """Whether there is error feedback: never, since this encoding loses nothing."""
        return False


class Float16Plan(PlanPart):
    """The client's change in half precision: half the bytes, with small errors."""

    name: Literal["float16"] = Field(description="Which encoding it is.")
    error_feedback: _ErrorFeedback = False


class Int8Plan(PlanPart):
    """The client's change in 8-bit integers: a quarter of the bytes. Each tensor has a step of 1/127 of its largest
    absolute value.
    """

    name: Literal["int8"] = Field(description="Which encoding it is.")
    error_feedback: _ErrorFeedback = True


class TopKPlan(PlanPart):
    """The largest numbers of the client's change, each with its position. A share of 0.1 takes a fifth of the bytes."""

    name: Literal["top-k"] = Field(description="Which encoding it is.")
    share: Fraction = Field(default=0.1, description="The share of the parameters that is uploaded, over all tensors.")
    error_feedback: _ErrorFeedback = True


UpdateEncodingPlan = Annotated[Float32Plan | Float16Plan | Int8Plan | TopKPlan, Field(discriminator="name"), ByName]
UPDATE_ENCODINGS: Final = ("float32", "float16", "int8", "top-k")
"""The names of all update encodings."""
