"""How class embeddings are pushed apart after a round."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedface_core.domain.plan.part import PlanPart


class SpreadoutPlan(PlanPart):
    """The server's repulsion of class embeddings. ``steps=0`` switches it off."""

    weight: Annotated[float, Field(gt=0)] = Field(default=10.0, description="λ.")
    margin: Annotated[float, Field(ge=-1, lt=1)] = Field(default=0.3, description="ν: cosines below it are left alone.")
    steps: Annotated[int, Field(ge=0)] = 10
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
