"""The part of a plan about spreadout: how class embeddings are pushed apart after a round."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StrictFloat, model_validator

from fedface_core.domain.plan.part import Count, Decay, PlanPart, Rate


class SpreadoutPlan(PlanPart):
    """The gradient steps by which the server pushes class embeddings apart. ``steps=0`` switches spreadout off."""

    weight: Rate = Field(default=10.0, description="λ: the weight of the spreadout loss.")
    margin: Annotated[StrictFloat, Field(ge=-1, lt=1)] = Field(
        default=0.3, description="ν: pairs with a cosine below this are not pushed apart."
    )
    steps: Count = Field(default=10, description="Gradient steps in a round.")
    learning_rate: Rate = Field(default=0.01, description="The learning rate of these steps.")
    step: Literal["row-sum", "pair-mean"] = Field(
        default="row-sum",
        # Left out of the JSON, so that plans without it keep their digests, and older services read them.
        exclude_if=lambda step: step == "row-sum",
        description="`row-sum`: each row steps on the sum over its own pairs, however many clients there are. `pair-mean`: "
        "along the gradient of the mean over all pairs, as in the paper's public code, which moves many rows hardly at all.",
    )
    momentum: Decay = Field(
        default=0.0, exclude_if=lambda momentum: momentum == 0, description="The momentum of the steps of `pair-mean`."
    )
    at_enrolment: bool = Field(
        default=True,
        exclude_if=lambda at_enrolment: at_enrolment,
        description="Whether class embeddings are pushed apart at enrolment too, before round 1.",
    )

    @model_validator(mode="after")
    def _has_momentum_with_pair_mean_only(self) -> Self:
        if self.momentum and self.step != "pair-mean":
            raise ValueError("momentum is for step 'pair-mean'; the rows of 'row-sum' have none: leave it out")
        return self
