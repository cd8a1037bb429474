"""A round: one cohort, one aggregation, one evaluation. Round 0 is enrolment.

Facts move a round through its phases by the table `TRANSITIONS`. What a phase asks of the other services is
`implied_commands`, a pure function of the round and its tally: control publishes it after each transition, and the sweep
publishes the same again where it got lost. So there is no second path for repair.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.commands import Command, EnrolClient, EvaluateModel, FoldShard, ReduceRound, TrainClient
from fedface_core.domain.events import Aggregation, RoundAggregated, RoundEvaluated, RoundReady, Scores
from fedface_core.domain.ids import ClientId, RunId, Sha256
from fedface_core.domain.plan import Plan


class RoundPhase(StrEnum):
    """Where a round stands."""

    OPEN = "open"
    AGGREGATING = "aggregating"
    EVALUATING = "evaluating"
    FINISHED = "finished"
    ABANDONED = "abandoned"


class Round(BaseModel):
    """One round as the ledger stores it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: RunId
    number: int
    phase: RoundPhase = RoundPhase.OPEN
    cohort: tuple[ClientId, ...] = Field(description="In client order; shard s is the s-th slice of shard_size.")
    shard_size: int
    quorum: int
    minimum: int
    opened_at: datetime
    deadline_at: datetime
    closed_at: datetime | None = None
    finished_at: datetime | None = None
    model_sha256: Sha256 = Field(description="The global model that the cohort starts from.")
    aggregation: Aggregation | None = None
    scores: Scores | None = None

    def shard_of(self, client: str) -> int:
        """The shard that a client of the cohort belongs to."""
        return self.cohort.index(client) // self.shard_size

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


def draw_cohort(plan: Plan, number: int, enrolled: tuple[str, ...]) -> tuple[str, ...]:
    """The clients of a training round: a uniform draw from the enrolled, seeded by plan and round, in client order."""
    size = min(plan.cohort_size, len(enrolled))
    return tuple(sorted(random.Random(f"{plan.seed}/{number}").sample(sorted(enrolled), size)))


def open_round(plan: Plan, run_id: str, number: int, cohort: tuple[str, ...], model_sha256: str, now: datetime) -> Round:
    """Round ``number`` of a run, open for the updates of ``cohort``."""
    # Enrolment waits for everybody: a client without a class embedding can take part in no later round.
    quorum = len(cohort) if number == 0 else min(plan.cohort.quorum or len(cohort), len(cohort))
    return Round(
        run_id=run_id,
        number=number,
        cohort=cohort,
        shard_size=plan.cohort.shard_size,
        quorum=quorum,
        minimum=min(plan.cohort.minimum, quorum),
        opened_at=now,
        deadline_at=now + timedelta(seconds=plan.cohort.deadline_seconds),
        model_sha256=model_sha256,
    )


RoundFact = RoundReady | RoundAggregated | RoundEvaluated

TRANSITIONS: dict[tuple[RoundPhase, type[RoundFact]], RoundPhase] = {
    (RoundPhase.OPEN, RoundReady): RoundPhase.AGGREGATING,
    (RoundPhase.AGGREGATING, RoundAggregated): RoundPhase.EVALUATING,
    (RoundPhase.EVALUATING, RoundEvaluated): RoundPhase.FINISHED,
}


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
    return current.model_copy(update=changes)


def latest_scores(rounds: Sequence[Round]) -> tuple[int, Scores] | None:
    """The number and the scores of the newest evaluated of a run's rounds, given in order."""
    return next(((done.number, done.scores) for done in reversed(rounds) if done.scores), None)


def abandon(current: Round, now: datetime) -> Round:
    """The round given up: too few updates, or its run ended."""
    assert current.phase not in (RoundPhase.FINISHED, RoundPhase.ABANDONED)
    return current.model_copy(update={"phase": RoundPhase.ABANDONED, "finished_at": now})


def implied_commands(current: Round, tally: Tally) -> list[Command]:
    """What the round's phase asks of the other services, given what is already done."""
    run, number = current.run_id, current.number
    match current.phase:
        case RoundPhase.OPEN:
            invited = (client for client in current.cohort if client in tally.unsettled)
            if number == 0:
                return [EnrolClient(run_id=run, client_id=client) for client in invited]
            return [TrainClient(run_id=run, round=number, client_id=client) for client in invited]
        case RoundPhase.AGGREGATING:
            missing = sorted(tally.accepted_shards - tally.folded_shards)
            if missing:
                return [FoldShard(run_id=run, round=number, shard=shard) for shard in missing]
            return [ReduceRound(run_id=run, round=number)]
        case RoundPhase.EVALUATING:
            return [EvaluateModel(run_id=run, round=number)]
        case RoundPhase.FINISHED | RoundPhase.ABANDONED:
            return []
