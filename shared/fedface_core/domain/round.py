"""A round: one cohort, one aggregation, one evaluation. Round 0 is enrolment.

A round moves from phase to phase by the table `ROUND_TRANSITIONS`, and only by the methods of `Round` that name its moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.ids import ClientId, RunId, Sha256
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, Scores
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.transitions import Transition, replaced


class RoundPhase(StrEnum):
    """Where a round stands."""

    OPEN = "open"
    SUSPENDED = "suspended"
    AGGREGATING = "aggregating"
    EVALUATING = "evaluating"
    FINISHED = "finished"
    ABANDONED = "abandoned"


ENDED_ROUND: Final = frozenset({RoundPhase.FINISHED, RoundPhase.ABANDONED})


class RoundMove(StrEnum):
    """What moves a round. Each move is a method of `Round`."""

    CLOSE = "close"
    AGGREGATED = "aggregated"
    EVALUATED = "evaluated"
    SKIP_EVALUATION = "skip evaluation"
    SUSPEND = "suspend"
    REOPEN = "reopen"
    ABANDON = "abandon"


ROUND_TRANSITIONS: Final[dict[RoundMove, Transition[RoundPhase]]] = {
    RoundMove.CLOSE: Transition.between({RoundPhase.OPEN}, RoundPhase.AGGREGATING),
    RoundMove.AGGREGATED: Transition.between({RoundPhase.AGGREGATING}, RoundPhase.EVALUATING),
    RoundMove.EVALUATED: Transition.between({RoundPhase.EVALUATING}, RoundPhase.FINISHED),
    RoundMove.SKIP_EVALUATION: Transition.between({RoundPhase.EVALUATING}, RoundPhase.FINISHED),
    RoundMove.SUSPEND: Transition.between({RoundPhase.OPEN}, RoundPhase.SUSPENDED),
    RoundMove.REOPEN: Transition.between({RoundPhase.SUSPENDED}, RoundPhase.OPEN),
    RoundMove.ABANDON: Transition.between(set(RoundPhase) - ENDED_ROUND, RoundPhase.ABANDONED),
}


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


class RoundChanges(TypedDict, total=False):
    """The fields of a round that change during its life, each with its type: what `Round.replace` takes."""

    phase: RoundPhase
    deadline_at: datetime
    closed_at: datetime | None
    suspended_at: datetime | None
    finished_at: datetime | None
    skip_evaluation: bool
    abandoned_because: str | None
    aggregation: Aggregation | None
    scores: Scores | None


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

    def replace(self, **changes: Unpack[RoundChanges]) -> Round:
        """The round with some fields changed, validated. `pydantic.ValidationError` for a value that a field cannot hold."""
        return replaced(self, changes)

    def closed(self, now: datetime) -> Round:
        """The open round that takes no further update: its accepted set is final, and is to be aggregated."""
        return self._moved(RoundMove.CLOSE, RoundPhase.AGGREGATING, closed_at=now)

    def aggregated(self, aggregation: Aggregation) -> Round:
        """The closed round with its results, whose model version is to be evaluated."""
        return self._moved(RoundMove.AGGREGATED, RoundPhase.EVALUATING, aggregation=aggregation)

    def evaluated(self, scores: Scores, now: datetime) -> Round:
        """The round finished, with the scores of its model version."""
        return self._moved(RoundMove.EVALUATED, RoundPhase.FINISHED, scores=scores, finished_at=now)

    def finished_unscored(self, now: datetime) -> Round:
        """The round finished without scores, because an operator asked to skip its evaluation."""
        return self._moved(RoundMove.SKIP_EVALUATION, RoundPhase.FINISHED, finished_at=now)

    def skipping_evaluation(self) -> Round:
        """The round whose model version is not to be scored. Its phase stays as it is."""
        return self.replace(skip_evaluation=True)

    def suspended(self, now: datetime) -> Round:
        """The open round of a run that is paused at once: no task starts any more, and updates that arrive still count."""
        return self._moved(RoundMove.SUSPEND, RoundPhase.SUSPENDED, suspended_at=now)

    def reopened(self, now: datetime) -> Round:
        """The suspended round of a resumed run, open again. Its deadline has moved by the length of the pause."""
        assert self.suspended_at is not None, "only a suspended round is reopened"
        deadline_at = self.deadline_at + (now - self.suspended_at)
        return self._moved(RoundMove.REOPEN, RoundPhase.OPEN, suspended_at=None, deadline_at=deadline_at)

    def abandoned(self, now: datetime, because: str) -> Round:
        """The round given up: it has too few updates, its run has ended, or an operator wants a fresh cohort."""
        return self._moved(RoundMove.ABANDON, RoundPhase.ABANDONED, finished_at=now, abandoned_because=because)

    def _moved(self, move: RoundMove, target: RoundPhase, **changes: Unpack[RoundChanges]) -> Round:
        ROUND_TRANSITIONS[move].require(self.phase, target)
        changes["phase"] = target
        return self.replace(**changes)


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
    enrols = RoundKind.of(number) is RoundKind.ENROLMENT
    quorum = len(cohort) if enrols else min(plan.cohort.quorum_for(plan.split.clients), len(cohort))
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


def reason_to_close(current: Round, tally: Tally, now: datetime) -> Literal["settled", "deadline"] | None:
    """Why the round closes now, by the ledger's own counts. None if it goes on, or is not open.

    ``settled``: its quorum is reached, or no invited client is awaited any more. ``deadline``: its deadline has passed.
    """
    if current.phase is not RoundPhase.OPEN:
        return None
    if tally.accepted >= current.quorum or not tally.unsettled:
        return "settled"
    return "deadline" if now > current.deadline_at else None


def latest_scores(rounds: Sequence[RoundState]) -> tuple[int, Scores] | None:
    """The number and the scores of the newest round that was scored, of a run's rounds in order; None if none was."""
    return next(((done.number, done.scores) for done in reversed(rounds) if done.scores), None)
