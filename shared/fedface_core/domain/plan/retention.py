"""The part of a plan about retention: what a run keeps in the artifact store."""

from __future__ import annotations

from pydantic import Field

from fedface_core.domain.plan.part import PlanPart, PositiveInt


class RetentionPlan(PlanPart):
    """Which artifacts of a round stay in the artifact store once its manifest is written."""

    rounds_of_updates: PositiveInt = Field(
        default=3,
        description="For how many of the newest ended rounds updates, partials, server states and residuals are kept. Those "
        "of older rounds are removed, except the residual that a client needs for its next update. Model versions, class "
        "embeddings, reports and manifests always stay.",
    )
