"""The update encoding of a plan: what a client uploads of the network that it trained, by name, with its parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fedface_core.domain.plan.part import Fraction, PlanPart

_ErrorFeedback = Annotated[
    bool, Field(description="What the encoding leaves out of a client's change is added to its next one. Synchronous runs.")
]


class Float32Plan(PlanPart):
    """The whole model, every number as it is."""

    name: Literal["float32"] = "float32"

    @property
    def error_feedback(self) -> bool:
        """Nothing is left out."""
        return False


class Float16Plan(PlanPart):
    """What the client changed of the model, in half precision: half the bytes, hardly an error."""

    name: Literal["float16"]
    error_feedback: _ErrorFeedback = False


class Int8Plan(PlanPart):
    """The change in whole steps of its largest number's 127th part, tensor by tensor: a quarter of the bytes."""

    name: Literal["int8"]
    error_feedback: _ErrorFeedback = True


class TopKPlan(PlanPart):
    """Only the largest numbers of the change, each with its place: twice their share of the bytes."""

    name: Literal["top-k"]
    share: Fraction = Field(default=0.1, description="Of the parameters, over all tensors together.")
    error_feedback: _ErrorFeedback = True


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


UpdateEncodingPlan = Annotated[
    Float32Plan | Float16Plan | Int8Plan | TopKPlan, Field(discriminator="name"), BeforeValidator(_named)
]
