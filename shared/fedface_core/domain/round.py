"""A round: one cohort, one aggregation, one evaluation. Round 0 is enrolment.

A round moves from phase to phase by the table `round_phase.ROUND_TRANSITIONS`, and only by the methods of `Round` that name
its moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.deposit import Deposit
from fedface_core.domain.ids import ClientId, RunId, Sha256
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import MOST_COUNTED, Aggregation, Counted, Scores
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.round_phase import ENDED_ROUND, ROUND_TRANSITIONS, RoundMove, RoundPhase
from fedface_core.domain.transitions import replaced

__all__ = ["ENDED_ROUND", "ROUND_TRANSITIONS", "Round", "RoundMasks", "RoundMove", "RoundPhase", "RoundState"]


class ShardRoster(BaseModel):
    """The roster of a masked shard, as it was fixed before the first update was masked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard_round: Sha256 = Field(description="The digest of the shard's round, on which all its keys depend.")
    roster: Sha256 = Field(description="The digest of the roster, on which all masks depend.")


class RoundMasks(BaseModel):
    """What the record of a masked round says of its masks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rosters: dict[Counted, ShardRoster | None] = Field(
        default_factory=dict, description="Shard → its roster, once fixed; none if too few of its clients have shared keys."
    )


class RoundState(BaseModel):
    """A round without its cohort. It is as small for ten thousand clients as for ten, unless clients are carried over or
    have residuals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[3] = 3
    run_id: RunId
    number: Counted
    phase: RoundPhase = RoundPhase.OPEN
    carried: dict[ClientId, Counted] = Field(
        default_factory=dict,
        description="Asynchronous runs: clients of the cohort that still train since an earlier round → that round.",
    )
    shard_size: Annotated[int, Field(gt=0, le=MOST_COUNTED)]
    quorum: Counted
    minimum: Counted
    opened_at: datetime
    deadline_at: datetime
    closed_at: datetime | None = None
    suspended_at: datetime | None = Field(default=None, description="When the pause of its run began.")
    suspended_from: RoundPhase | None = Field(
        default=None,
        exclude_if=lambda phase: phase is None,  # rounds without masks are as they were in earlier versions
        description="The phase in which the pause found a masked round; none if it was open.",
    )
    finished_at: datetime | None = None
    base: Counted | None = Field(
        default=None, description="The finished round that the cohort starts from; none at enrolment."
    )
    model_sha256: Sha256 = Field(description="The global model that the cohort starts from.")
    identity_list_sha256: Sha256 | None = Field(
        default=None, description="The identity list of the run's data set; none in runs of older versions."
    )
    class_embeddings_sha256: Sha256 | None = Field(
        default=None,
        description="The class embeddings that the cohort starts from; none at enrolment, or if clients keep them.",
    )
    anchor_sha256: Sha256 | None = Field(
        default=None,
        exclude_if=lambda sha256: sha256 is None,  # rounds without an anchor are as they were in earlier versions
        description="The model that the first training round started from, near which the cohort holds its embeddings; none "
        "if the plan has no anchor.",
    )
    server_state_sha256: Sha256 | None = Field(default=None, description="The aggregator's state, if it keeps any.")
    guidance_sha256: Sha256 | None = Field(default=None, description="The clients' guidance, if the strategy gives any.")
    residuals: dict[ClientId, Counted] = Field(
        default_factory=dict,
        description="Client → the round whose residual it uses. Clients that are not here have no residual.",
    )
    masks: RoundMasks | None = Field(
        default=None, exclude_if=lambda masks: masks is None, description="Of a round whose updates are masked."
    )
    skip_evaluation: bool = Field(default=False, description="Whether an operator asked to skip the evaluation.")
    abandoned_because: str | None = None
    aggregation: Aggregation | None = None
    scores: Scores | None = None

    @property
    def kind(self) -> RoundKind:
        """The kind of this round: enrolment or training."""
        return RoundKind.of(self.number)

    @property
    def takes(self) -> RoundPhase:
        """The phase whose answers the round takes: its own, or while it is suspended the one in which the pause found it."""
        return self.suspended_from or RoundPhase.OPEN if self.phase is RoundPhase.SUSPENDED else self.phase


class RoundChanges(TypedDict, total=False):
    """The fields of a round that may change, with their types, as `Round.replace` takes them."""

    phase: RoundPhase
    deadline_at: datetime
    closed_at: datetime | None
    suspended_at: datetime | None
    suspended_from: RoundPhase | None
    masks: RoundMasks | None
    finished_at: datetime | None
    skip_evaluation: bool
    abandoned_because: str | None
    aggregation: Aggregation | None
    scores: Scores | None


class Round(RoundState):
    """One round as the ledger stores it, with its cohort."""

    cohort: tuple[ClientId, ...] = Field(description="In client order; shard s is the s-th slice of shard_size clients.")

    def base_of(self, client: str) -> int:
        """The number of the round whose model the client trains: this round, or an earlier one if it is carried over."""
        return self.carried.get(client, self.number)

    def shard_of_each(self) -> dict[str, int]:
        """Client → shard, for the whole cohort."""
        return {client: index // self.shard_size for index, client in enumerate(self.cohort)}

    def shard_members(self, shard: int) -> tuple[str, ...]:
        """The clients of a shard, in client order."""
        return self.cohort[shard * self.shard_size : (shard + 1) * self.shard_size]

    @property
    def shards(self) -> int:
        """How many shards the cohort has."""
        return -(-len(self.cohort) // self.shard_size)

    def replace(self, **changes: Unpack[RoundChanges]) -> Round:
        """The round with some fields changed. `pydantic.ValidationError` if a field cannot hold its new value."""
        return replaced(self, changes)

    def registered(self, deadline_at: datetime) -> Round:
        """The masked round in phase `sharing`, until a deadline: its devices have registered their keys."""
        return self._moved(RoundMove.REGISTERED, RoundPhase.SHARING, deadline_at=deadline_at)

    def shared(self) -> Round:
        """The masked round in phase `handing_on`: it takes no further key bundle."""
        return self._moved(RoundMove.SHARED, RoundPhase.HANDING_ON)

    def with_rosters(self, rosters: Mapping[int, ShardRoster | None]) -> Round:
        """The masked round with the rosters of further shards. One that is fixed is never replaced."""
        assert self.masks is not None, "only masked rounds have rosters"
        return self.replace(masks=RoundMasks(rosters={**rosters, **self.masks.rosters}))

    def handed_on(self, deadline_at: datetime) -> Round:
        """The masked round in phase `open`, until a deadline: the roster of each shard is fixed."""
        return self._moved(RoundMove.HANDED_ON, RoundPhase.OPEN, deadline_at=deadline_at)

    def closed(self, now: datetime, unmask_by: datetime | None = None) -> Round:
        """The round in phase `aggregating`: it accepts no further update, so its accepted set is final.

        A masked round is in phase `unmasking` first, until the deadline ``unmask_by``.
        """
        if self.masks is None:
            return self._moved(RoundMove.CLOSE, RoundPhase.AGGREGATING, closed_at=now)
        assert unmask_by is not None, "a masked round is unmasked until a deadline"
        return self._moved(RoundMove.CLOSE, RoundPhase.UNMASKING, closed_at=now, deadline_at=unmask_by)

    def unmasked(self) -> Round:
        """The masked round in phase `aggregating`: what its clients have revealed is final."""
        return self._moved(RoundMove.UNMASKED, RoundPhase.AGGREGATING)

    def aggregated(self, aggregation: Aggregation) -> Round:
        """The round in phase `evaluating`, with the results of its aggregation."""
        return self._moved(RoundMove.AGGREGATED, RoundPhase.EVALUATING, aggregation=aggregation)

    def evaluated(self, scores: Scores, now: datetime) -> Round:
        """The round in phase `finished`, with the scores of its model version."""
        return self._moved(RoundMove.EVALUATED, RoundPhase.FINISHED, scores=scores, finished_at=now)

    def finished_unscored(self, now: datetime) -> Round:
        """The round in phase `finished` without scores, since an operator asked to skip its evaluation."""
        return self._moved(RoundMove.SKIP_EVALUATION, RoundPhase.FINISHED, finished_at=now)

    def skipping_evaluation(self) -> Round:
        """The round marked so that its model version is not scored. Its phase stays."""
        return self.replace(skip_evaluation=True)

    def suspended(self, now: datetime) -> Round:
        """The round in phase `suspended`, since its run is paused at once: no task starts, but updates are accepted."""
        found = None if self.phase is RoundPhase.OPEN else self.phase
        return self._moved(RoundMove.SUSPEND, RoundPhase.SUSPENDED, suspended_at=now, suspended_from=found)

    def reopened(self, now: datetime) -> Round:
        """The round in the phase in which the pause found it, since its run is resumed. The deadline moves by the length of
        the pause.

        If the ledger's clock was set back during the pause, the deadline stays.
        """
        assert self.suspended_at is not None, "only a suspended round is reopened"
        deadline_at = self.deadline_at + max(timedelta(), now - self.suspended_at)
        return self._moved(RoundMove.REOPEN, self.takes, suspended_at=None, suspended_from=None, deadline_at=deadline_at)

    def abandoned(self, now: datetime, because: str) -> Round:
        """The round in phase `abandoned`: it has too few updates, its run has ended, or an operator retries it."""
        return self._moved(RoundMove.ABANDON, RoundPhase.ABANDONED, finished_at=now, abandoned_because=because)

    def _moved(self, move: RoundMove, target: RoundPhase, **changes: Unpack[RoundChanges]) -> Round:
        ROUND_TRANSITIONS[move].require(self.phase, target)
        changes["phase"] = target
        return self.replace(**changes)


class Tally(BaseModel):
    """The progress of a round by the ledger (`RoundSettlement.tally`)."""

    model_config = ConfigDict(frozen=True)

    accepted: int = Field(description="How many updates were accepted.")
    failed: int = Field(description="How many clients have failed.")
    late: int = Field(description="How many of the unsettled clients have sent an update that came too late.")
    unsettled: frozenset[str] = Field(description="Invited clients that were neither accepted nor failed.")
    accepted_shards: frozenset[int] = Field(description="Shards with at least one accepted update.")
    folded_shards: frozenset[int] = Field(description="Shards whose partial is recorded.")
    deposited: Mapping[Deposit, frozenset[str]] = Field(
        default_factory=dict, description="Masked rounds: kind of deposit → the clients that have made one."
    )
    accepted_clients: frozenset[str] = Field(
        default=frozenset(), description="Masked rounds, once there are deposits: the clients whose updates were accepted."
    )
    last_activity: datetime = Field(description="When the ledger last recorded anything about the round.")

    def depositors(self, kind: Deposit) -> frozenset[str]:
        """The clients that have made a deposit of this kind."""
        return self.deposited.get(kind, frozenset())


def open_round(
    plan: Plan,
    run_id: str,
    number: int,
    cohort: tuple[str, ...],
    model_sha256: str,
    now: datetime,
    *,
    identity_list_sha256: str | None = None,
    base: RoundState | None = None,
    carried: Mapping[str, int] | None = None,
    residuals: Mapping[str, int] | None = None,
) -> Round:
    """Round ``number`` of a run, open for the updates of ``cohort``; or, if they are to be masked, in the first phase of a
    masked round.

    The cohort starts from the model version ``model_sha256`` and the other results of the round ``base`` (none at
    enrolment). ``identity_list_sha256``, ``carried`` and ``residuals`` are the fields of `RoundState` of these names.
    """
    # Enrolment waits for every client: a client without a class embedding can take part in no later round.
    enrols = RoundKind.of(number) is RoundKind.ENROLMENT
    quorum = len(cohort) if enrols else min(plan.cohort.quorum_for(plan.split.clients), len(cohort))
    results = base.aggregation if base else None
    held_to = None if enrols or not plan.anchor else (base and base.anchor_sha256) or model_sha256
    masked = plan.secure_aggregation
    first = RoundPhase.OPEN
    if masked:
        first = RoundPhase.REGISTERING if enrols else RoundPhase.SHARING
    deadline_seconds = masked.sharing_deadline_seconds if masked else plan.cohort.deadline_seconds
    return Round(
        run_id=run_id,
        number=number,
        phase=first,
        masks=RoundMasks() if masked else None,
        cohort=cohort,
        carried=dict(carried or {}),
        shard_size=plan.shard_size_for(len(cohort)),
        quorum=quorum,
        minimum=plan.cohort.minimum_for(plan.split.clients),
        opened_at=now,
        deadline_at=now + timedelta(seconds=deadline_seconds),
        base=base.number if base else None,
        model_sha256=model_sha256,
        identity_list_sha256=identity_list_sha256,
        anchor_sha256=held_to,
        class_embeddings_sha256=results.class_embeddings_sha256 if results else None,
        server_state_sha256=results.server_state_sha256 if results else None,
        guidance_sha256=results.guidance_sha256 if results else None,
        residuals=dict(residuals or {}),
    )


def reason_to_close(current: Round, tally: Tally, now: datetime) -> Literal["settled", "deadline"] | None:
    """Why the round closes now; None if it goes on, or is not open.

    ``settled``: its quorum is reached, or every invited client has settled. ``deadline``: its deadline has passed.
    """
    if current.phase is not RoundPhase.OPEN:
        return None
    if tally.accepted >= current.quorum or not tally.unsettled:
        return "settled"
    return "deadline" if now > current.deadline_at else None


def latest_scores(rounds: Sequence[RoundState]) -> tuple[int, Scores] | None:
    """The number and the scores of the newest scored round among ``rounds``, which are in order; None if none is scored."""
    return next(((scored.number, scored.scores) for scored in reversed(rounds) if scored.scores), None)
