"""Facts: what happened, reported to control, which alone changes phases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.ids import RunId, Sha256
from fedface_core.domain.results import Aggregation, Scores


class FactBase(BaseModel):
    """Common to all facts; unknown fields and versions are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    run_id: RunId


class ModelPrepared(FactBase):
    """The initial model version is in the store."""

    kind: Literal["model_prepared"] = "model_prepared"
    model_sha256: Sha256


class RoundReady(FactBase):
    """A round may be ready to close. Control looks for itself: a message of an earlier life of the round closes nothing."""

    kind: Literal["round_ready"] = "round_ready"
    round: Annotated[int, Field(ge=0)]
    because: Literal["settled", "deadline", "operator"] = Field(
        description="`settled`: the quorum is reached, or no invited client is awaited any more."
    )


class RoundAggregated(FactBase):
    """The round's model version and class embeddings are in the store."""

    kind: Literal["round_aggregated"] = "round_aggregated"
    round: Annotated[int, Field(ge=0)]
    accepted_digest: str = Field(description="Of the accepted set that was averaged, by `accepted_digest`.")
    aggregation: Aggregation


class RoundEvaluated(FactBase):
    """The round's report is in the store."""

    kind: Literal["round_evaluated"] = "round_evaluated"
    round: Annotated[int, Field(ge=0)]
    model_sha256: Sha256 = Field(description="The model version that was scored.")
    scores: Scores


class EvaluationSkipped(FactBase):
    """An operator asked not to score the round's model version."""

    kind: Literal["evaluation_skipped"] = "evaluation_skipped"
    round: Annotated[int, Field(ge=0)]


class StepFailed(FactBase):
    """A service found that the run cannot go on (wrong weights, unreadable data…): the reason is for the operator."""

    kind: Literal["step_failed"] = "step_failed"
    round: Annotated[int, Field(ge=0)] | None = Field(description="None before round 0, while the model is prepared.")
    reason: str
    fresh_cohort_may_help: bool = Field(default=False, description="It is the round that failed, and not its run.")


Fact = Annotated[
    ModelPrepared | RoundReady | RoundAggregated | RoundEvaluated | EvaluationSkipped | StepFailed,
    Field(discriminator="kind"),
]
