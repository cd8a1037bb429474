"""Facts: messages that tell control what has happened. Only control changes phases."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fedface_core.domain.failures import LONGEST_STORED_REASON
from fedface_core.domain.ids import RunId, Sha256
from fedface_core.domain.results import Aggregation, Counted, Scores

MOST_ID_CHARACTERS: Final = 64


def _shortened(reason: str) -> str:
    """The reason, cut if it is longer than the ledger stores: a failure must not be lost because much is wrong."""
    return reason if len(reason) <= LONGEST_STORED_REASON else reason[: LONGEST_STORED_REASON - 1] + "…"


class FactBase(BaseModel):
    """The fields of every fact. Unknown fields and schema versions are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[3] = 3
    run_id: RunId


class ModelPrepared(FactBase):
    """The initial model version is in the artifact store."""

    kind: Literal["model_prepared"] = "model_prepared"
    model_sha256: Sha256


class IdentitiesListed(FactBase):
    """The identity list of the run's data set is in the artifact store."""

    kind: Literal["identities_listed"] = "identities_listed"
    correlation_id: str = Field(
        max_length=MOST_ID_CHARACTERS,
        description="The run's. A deleted run that is created again with its key has its old id, and perhaps other people.",
    )
    identity_list_sha256: Sha256


class RoundReady(FactBase):
    """A round may be ready to close. Control checks this in the ledger, so an outdated message closes no round."""

    kind: Literal["round_ready"] = "round_ready"
    round: Counted
    because: Literal["settled", "deadline", "operator"] = Field(
        description="`settled`: the quorum is reached, or every invited client has settled."
    )


class RoundAggregated(FactBase):
    """The model version and the class embeddings of a round are in the artifact store."""

    kind: Literal["round_aggregated"] = "round_aggregated"
    round: Counted
    accepted_digest: str = Field(
        max_length=MOST_ID_CHARACTERS, description="The digest of the accepted set that was averaged."
    )
    aggregation: Aggregation


class RoundEvaluated(FactBase):
    """The verification report of a round is in the artifact store."""

    kind: Literal["round_evaluated"] = "round_evaluated"
    round: Counted
    model_sha256: Sha256 = Field(description="The model version that was scored.")
    scores: Scores


class EvaluationSkipped(FactBase):
    """An operator asked to skip the evaluation of a round."""

    kind: Literal["evaluation_skipped"] = "evaluation_skipped"
    round: Counted


class StepFailed(FactBase):
    """A service cannot do its step of a run: weights are wrong, data cannot be read, or the like.

    The reason is written for the operator.
    """

    kind: Literal["step_failed"] = "step_failed"
    round: Counted | None = Field(description="None while the run is prepared.")
    reason: Annotated[str, AfterValidator(_shortened)]
    fresh_cohort_may_help: bool = Field(
        default=False, description="Whether only the round failed, so that the run can go on with a fresh cohort."
    )


Fact = Annotated[
    ModelPrepared | IdentitiesListed | RoundReady | RoundAggregated | RoundEvaluated | EvaluationSkipped | StepFailed,
    Field(discriminator="kind"),
]
