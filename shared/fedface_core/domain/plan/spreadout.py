"""The part of a plan about spreadout: how class embeddings are pushed apart after a round."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedface_core.domain.plan.part import Count, PlanPart, Rate


class SpreadoutPlan(PlanPart):
    """The gradient steps by which the server pushes class embeddings apart. ``steps=0`` switches spreadout off."""

    weight: Rate = Field(default=10.0, description="λ: the weight of the spreadout loss.")
    margin: Annotated[float, Field(ge=-1, lt=1)] = Field(
        default=0.3, description="ν: pairs with a cosine below this are not pushed apart."
    )
    steps: Count = Field(default=10, description="Gradient steps in a round.")
    learning_rate: Rate = Field(default=0.01, description="The learning rate of these steps.")
