"""Facts: messages that tell control what has happened. Only control changes phases."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from fedface_core.domain.free_text import cut
from fedface_core.domain.ids import ClientId, RunId, Sha256
from fedface_core.domain.mask_graph import MOST_CLIENTS as MOST_IN_SHARD
from fedface_core.domain.reasons import LONGEST_STORED_REASON, shortened
from fedface_core.domain.results import Aggregation, Counted, Scores

MOST_ID_CHARACTERS: Final = 64
_STEP: Final = r"^(client|aggregator|evaluator|control)\.[ -~]{1,90}$"


def _as_stored(reason: str) -> str:
    """The reason, cut if it is longer than the ledger stores: a failure must not be lost because much is wrong."""
    return cut(reason, LONGEST_STORED_REASON)


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
    """A round may be ready to close, or its present phase to end. Control checks this in the ledger, so an outdated message
    changes nothing.
    """

    kind: Literal["round_ready"] = "round_ready"
    round: Counted
    because: Literal["settled", "deadline", "operator"] = Field(
        description="`settled`: the quorum is reached, or every invited client has settled; in other phases of a "
        "masked round, the clients have done what they were asked for."
    )
    shard: Counted | None = Field(
        default=None,
        exclude_if=lambda shard: shard is None,
        description="The masked shard of which enough clients have signed, so that they can be asked to reveal.",
    )


class SharesHandedOn(FactBase):
    """The roster of a masked shard is in the artifact store, and what each client on it has received (ADR 41)."""

    kind: Literal["shares_handed_on"] = "shares_handed_on"
    round: Counted
    shard: Counted
    shard_round: Sha256 = Field(description="The digest of the shard's round, on which all keys depend.")
    roster: Sha256 = Field(description="The digest of the roster, on which all masks depend.")
    clients: Annotated[tuple[ClientId, ...], Field(max_length=MOST_IN_SHARD)] = Field(
        description="Who is on the roster, in client order."
    )
    refused: Annotated[dict[ClientId, Annotated[str, AfterValidator(_as_stored)]], Field(max_length=MOST_IN_SHARD)] = Field(
        default_factory=dict, description="Client → what is wrong with its key bundle, so that it is not on the roster."
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


class OwnedStep(StrEnum):
    """A step whose failure a service reports to control. Before the dot stands the service that owns it."""

    PREPARE_MODEL = "aggregator.prepare_model"
    LIST_IDENTITIES = "client.list_identities"
    HAND_ON_SHARES = "aggregator.hand_on_shares"
    FOLD_SHARD = "aggregator.fold_shard"
    REDUCE_ROUND = "aggregator.reduce_round"
    EVALUATE_MODEL = "evaluator.evaluate_model"

    @property
    def owner(self) -> str:
        """The service that takes this step, and so the only one that knows that it failed."""
        return self.value.partition(".")[0]


PREPARATION: Final = frozenset({OwnedStep.PREPARE_MODEL, OwnedStep.LIST_IDENTITIES})
"""The steps of a run before its first round."""
_OF_ONE_COHORT: Final = frozenset({OwnedStep.HAND_ON_SHARES, OwnedStep.FOLD_SHARD, OwnedStep.REDUCE_ROUND})


class StepFailed(FactBase):
    """A service cannot do its step of a run: weights are wrong, data cannot be read, or the like.

    The reason is written for the operator.
    """

    kind: Literal["step_failed"] = "step_failed"
    step: OwnedStep | None = Field(default=None, description="Which step failed; None in facts of earlier versions.")
    round: Counted | None = Field(description="None while the run is prepared.")
    reason: Annotated[str, AfterValidator(_as_stored)]
    fresh_cohort_may_help: bool = Field(
        default=False, description="Whether only the round failed, so that the run can go on with a fresh cohort."
    )

    @model_validator(mode="after")
    def _is_of_its_step(self) -> Self:
        if self.step is None:
            return self
        if (self.step in PREPARATION) is not (self.round is None):
            raise ValueError(f"round: {self.step} is {'no' if self.step in PREPARATION else 'a'} step of a round")
        if self.fresh_cohort_may_help and self.step not in _OF_ONE_COHORT:
            raise ValueError(f"fresh_cohort_may_help: {self.step} does not depend on the cohort")
        return self


class StepFailing(FactBase):
    """A step has failed for a new reason, and is tried again. It changes nothing but the audit trail."""

    kind: Literal["step_failing"] = "step_failing"
    step: str = Field(pattern=_STEP, description="As `fedface_core.contracts.tasks.step_of` names it.")
    round: Counted | None = Field(description="None if it is a step of the run itself.")
    reason: Annotated[str, AfterValidator(shortened)]

    @property
    def service(self) -> str:
        """The service whose step it is."""
        return self.step.partition(".")[0]

    @property
    def event_data(self) -> dict[str, str | int | None]:
        """The data of the event, whose name is the fact's kind."""
        return {"round": self.round, "reason": f"{self.step}: {self.reason}"}


class Waiting(FactBase):
    """The work of a service for the run waits for a server that is away. It changes nothing but the audit trail."""

    kind: Literal["waiting"] = "waiting"
    service: Literal["client", "aggregator", "evaluator", "control"]
    reason: Annotated[str, AfterValidator(shortened)]

    @property
    def event_data(self) -> dict[str, str | int | None]:
        """The data of the event, whose name is the fact's kind."""
        return {"service": self.service, "reason": self.reason}


Note = StepFailing | Waiting
"""What control writes into the audit trail for a service that may not."""

Change = (
    ModelPrepared
    | IdentitiesListed
    | RoundReady
    | SharesHandedOn
    | RoundAggregated
    | RoundEvaluated
    | EvaluationSkipped
    | StepFailed
)
"""What may change the run."""

Fact = Annotated[Change | Note, Field(discriminator="kind")]
