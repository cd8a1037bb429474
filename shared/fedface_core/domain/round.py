"""A round: one cohort, one aggregation, one evaluation. Round 0 is enrolment.

Facts move a round through its phases by the table `TRANSITIONS`. What a phase asks of the other services is
`implied_commands`, a pure function of the round and its tally: control publishes it after each transition, and the sweep
publishes the same again where it got lost. So there is no second path for repair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.client_tasks import in_tasks
from fedface_core.domain.commands import (
    Command,
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    ReduceRound,
    TrainClients,
)
from fedface_core.domain.facts import EvaluationSkipped, RoundAggregated, RoundEvaluated, RoundReady
from fedface_core.domain.ids import ClientId, RunId, Sha256
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, Scores
from fedface_core.domain.round_kind import RoundKind


class RoundPhase(StrEnum):
    """Where a round stands."""

    OPEN = "open"
    SUSPENDED = "suspended"
    AGGREGATING = "aggregating"
    EVALUATING = "evaluating"
    FINISHED = "finished"
    ABANDONED = "abandoned"


class RoundState(BaseModel):
    """A round but for who is in it: as small for ten thousand clients as for ten, where nobody is carried over or owes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    run_id: RunId
    number: int
    phase: RoundPhase = RoundPhase.OPEN
    carried: dict[ClientId, int] = Field(
        default_factory=dict, description="Asynchronous: members that still train since an earlier round, and since which."
    )
    shard_size: int
    quorum: int
    minimum: int
    opened_at: datetime
    deadline_at: datetime
    closed_at: datetime | None = None
    suspended_at: datetime | None = Field(default=None, description="Since when its run has been paused.")
    finished_at: datetime | None = None
    base: int | None = Field(default=None, description="The finished round that the cohort starts from; none at enrolment.")
    model_sha256: Sha256 = Field(description="The global model that the cohort starts from.")
    class_embeddings_sha256: Sha256 | None = Field(default=None, description="Its class embeddings; none at enrolment.")
    server_state_sha256: Sha256 | None = Field(default=None, description="The aggregator's, where it keeps any.")
    guidance_sha256: Sha256 | None = Field(default=None, description="The clients', where the strategy gives any.")
    residuals: dict[ClientId, int] = Field(
        default_factory=dict,
        description="Error feedback: client → the round whose residual it goes on from. Of all clients; others have none.",
    )
    skip_evaluation: bool = Field(default=False, description="An operator asked not to score its model version.")
    abandoned_because: str | None = None
    aggregation: Aggregation | None = None
    scores: Scores | None = None

    @property
    def kind(self) -> RoundKind:
        """Enrolment or training."""
        return RoundKind.of(self.number)


class Round(RoundState):
    """One round as the ledger stores it."""

    cohort: tuple[ClientId, ...] = Field(description="In client order; shard s is the s-th slice of shard_size.")

    def base_of(self, client: str) -> int:
        """The round whose model the client trains: this one, or the earlier one since which it is carried over."""
        return self.carried.get(client, self.number)

    def shard_of_each(self) -> dict[str, int]:
        """The shard that each client of the cohort belongs to."""
        return {client: index // self.shard_size for index, client in enumerate(self.cohort)}

    def shard_members(self, shard: int) -> tuple[str, ...]:
        """The clients of a shard, in client order."""
        return self.cohort[shard * self.shard_size : (shard + 1) * self.shard_size]

    @property
    def shards(self) -> int:
        """How many shards the cohort makes."""
        return -(-len(self.cohort) // self.shard_size)


class Tally(BaseModel):
    """The ledger's counts of a round, read in one step."""

    model_config = ConfigDict(frozen=True)

    accepted: int
    failed: int
    unsettled: frozenset[str] = Field(description="Invited clients that were neither accepted nor failed.")
    accepted_shards: frozenset[int] = Field(description="Shards with at least one accepted update.")
    folded_shards: frozenset[int] = Field(description="Shards whose partial is recorded.")
    last_activity: datetime


def open_round(
    plan: Plan,
    run_id: str,
    number: int,
    cohort: tuple[str, ...],
    model_sha256: str,
    now: datetime,
    *,
    base: RoundState | None = None,
    carried: Mapping[str, int] | None = None,
    residuals: Mapping[str, int] | None = None,
) -> Round:
    """Round ``number`` of a run, open for the updates of ``cohort``; a training round starts from what ``base`` came to."""
    # Enrolment waits for everybody: a client without a class embedding can take part in no later round.
    quorum = len(cohort) if number == 0 else min(plan.cohort.closing(plan.split.clients), len(cohort))
    results = base.aggregation if base else None
    return Round(
        run_id=run_id,
        number=number,
        cohort=cohort,
        carried=dict(carried or {}),
        shard_size=plan.cohort.shard_size,
        quorum=quorum,
        minimum=min(plan.cohort.minimum, quorum),
        opened_at=now,
        deadline_at=now + timedelta(seconds=plan.cohort.deadline_seconds),
        base=base.number if base else None,
        model_sha256=model_sha256,
        class_embeddings_sha256=results.class_embeddings_sha256 if results else None,
        server_state_sha256=results.server_state_sha256 if results else None,
        guidance_sha256=results.guidance_sha256 if results else None,
        residuals=dict(residuals or {}),
    )


RoundFact = RoundReady | RoundAggregated | RoundEvaluated | EvaluationSkipped

TRANSITIONS: dict[tuple[RoundPhase, type[RoundFact]], RoundPhase] = {
    (RoundPhase.OPEN, RoundReady): RoundPhase.AGGREGATING,
    (RoundPhase.AGGREGATING, RoundAggregated): RoundPhase.EVALUATING,
    (RoundPhase.EVALUATING, RoundEvaluated): RoundPhase.FINISHED,
    (RoundPhase.EVALUATING, EvaluationSkipped): RoundPhase.FINISHED,
}
ENDED_ROUND = frozenset({RoundPhase.FINISHED, RoundPhase.ABANDONED})


def advance(current: Round, fact: RoundFact, now: datetime) -> Round:
    """The round after a fact. A fact the phase does not wait for (redelivered, or late) leaves it unchanged."""
    phase = TRANSITIONS.get((current.phase, type(fact)))
    if phase is None:
        return current
    changes: dict[str, object] = {"phase": phase}
    match fact:
        case RoundReady():
            changes["closed_at"] = now
        case RoundAggregated():
            changes["aggregation"] = fact.aggregation
        case RoundEvaluated():
            changes |= {"scores": fact.scores, "finished_at": now}
        case EvaluationSkipped():
            changes["finished_at"] = now
    return current.model_copy(update=changes)


def ready_to_close(current: Round, tally: Tally, now: datetime) -> RoundReady | None:
    """Why an open round closes now, by the ledger's own counts; None where it goes on, or is not open."""
    if current.phase is not RoundPhase.OPEN:
        return None
    if tally.accepted >= current.quorum or not tally.unsettled:
        return RoundReady(run_id=current.run_id, round=current.number, because="settled")
    if now > current.deadline_at:
        return RoundReady(run_id=current.run_id, round=current.number, because="deadline")
    return None


def latest_scores(rounds: Sequence[RoundState]) -> tuple[int, Scores] | None:
    """The number and the scores of the newest evaluated of a run's rounds, given in order."""
    return next(((done.number, done.scores) for done in reversed(rounds) if done.scores), None)


def suspend(current: Round, now: datetime) -> Round:
    """The open round of a run that is paused at once: no task starts any more, and updates that arrive still count."""
    assert current.phase is RoundPhase.OPEN
    return current.model_copy(update={"phase": RoundPhase.SUSPENDED, "suspended_at": now})


def reopen(current: Round, now: datetime) -> Round:
    """The suspended round of a resumed run. Its deadline moves by the length of the pause."""
    assert current.suspended_at is not None, "reopens what was suspended"
    deadline_at = current.deadline_at + (now - current.suspended_at)
    return current.model_copy(update={"phase": RoundPhase.OPEN, "suspended_at": None, "deadline_at": deadline_at})


def abandon(current: Round, now: datetime, because: str) -> Round:
    """The round given up: too few updates, its run ended, or an operator wants a fresh cohort."""
    assert current.phase not in ENDED_ROUND
    changes = {"phase": RoundPhase.ABANDONED, "finished_at": now, "abandoned_because": because}
    return current.model_copy(update=changes)


def implied_commands(plan: Plan, current: Round, tally: Tally) -> list[Command]:
    """What the round's phase asks of the services, given what is already done."""
    run, number = current.run_id, current.number
    match current.phase:
        case RoundPhase.OPEN:
            invited = [client for client in current.cohort if client in tally.unsettled]
            if number == 0:
                return [EnrolClients(run_id=run, clients=some) for some in in_tasks(plan, invited)]
            if tally.last_activity == current.opened_at:  # nobody was asked yet, and those carried over are at work
                invited = [client for client in invited if client not in current.carried]
            # Where members of a cohort train the models of different rounds, each has a task of its own.
            tasks = in_tasks(plan, invited)
            return [TrainClients(run_id=run, round=current.base_of(some[0]), clients=some) for some in tasks]
        case RoundPhase.AGGREGATING:
            missing = sorted(tally.accepted_shards - tally.folded_shards)
            if missing:
                return [FoldShard(run_id=run, round=number, shard=shard) for shard in missing]
            return [ReduceRound(run_id=run, round=number)]
        case RoundPhase.EVALUATING:
            if current.skip_evaluation:
                return [HandleFact(run_id=run, fact=EvaluationSkipped(run_id=run, round=number))]
            return [EvaluateModel(run_id=run, round=number)]
        case RoundPhase.SUSPENDED | RoundPhase.FINISHED | RoundPhase.ABANDONED:
            return []
