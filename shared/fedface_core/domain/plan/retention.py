"""What a run keeps in the store."""

from __future__ import annotations

from pydantic import Field

from fedface_core.domain.plan.part import PlanPart, PositiveInt


class RetentionPlan(PlanPart):
    """What of a round is kept in the store, once its manifest is written."""

    rounds_of_updates: PositiveInt = Field(
        default=3,
        description="Updates, partials, server states and residuals of the newest so many ended rounds are kept, older ones "
        "removed, but for the residual that a client goes on from; more than there are rounds keeps all. Model versions, "
        "class embeddings, reports and manifests always stay.",
    )
