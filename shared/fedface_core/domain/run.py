"""A run: one federated training with one immutable plan, many rounds; and what an operator may ask of it.

A run moves from phase to phase by the table `RUN_TRANSITIONS`, and only by the methods of `Run` that name its moves.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.errors import InvalidInputError, WrongPhaseError
from fedface_core.domain.ids import RunId, Sha256
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Counted
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.transitions import Transition, replaced


class RunPhase(StrEnum):
    """The phases of a run."""

    CREATED = "created"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETING = "deleting"


ENDED: Final = frozenset({RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED, RunPhase.DELETING})

_ACTIVE = frozenset({RunPhase.PREPARING, RunPhase.RUNNING, RunPhase.PAUSING})
_IN_ROUNDS = frozenset({RunPhase.RUNNING, RunPhase.PAUSING})


class RunMove(StrEnum):
    """The moves of a run from phase to phase. Each move is a method of `Run`."""

    START = "start"
    BEGIN_ROUNDS = "begin rounds"
    PAUSE = "pause"
    PAUSE_NOW = "pause now"
    PAUSED = "paused"
    RESUME = "resume"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    DELETE = "delete"


RUN_TRANSITIONS: Final[dict[RunMove, Transition[RunPhase]]] = {
    RunMove.START: Transition.between({RunPhase.CREATED}, RunPhase.PREPARING),
    RunMove.BEGIN_ROUNDS: Transition.between({RunPhase.PREPARING}, RunPhase.RUNNING),
    RunMove.PAUSE: Transition.between({RunPhase.PREPARING, RunPhase.RUNNING}, RunPhase.PAUSING),
    RunMove.PAUSE_NOW: Transition.between(_ACTIVE, RunPhase.PAUSED),
    RunMove.PAUSED: Transition.between({RunPhase.PAUSING}, RunPhase.PAUSED),
    RunMove.RESUME: Transition.between({RunPhase.PAUSING, RunPhase.PAUSED}, RunPhase.PREPARING, RunPhase.RUNNING),
    RunMove.COMPLETE: Transition.between(_IN_ROUNDS, RunPhase.COMPLETED),
    RunMove.FAIL: Transition.between(_ACTIVE | {RunPhase.PAUSED}, RunPhase.FAILED),
    RunMove.CANCEL: Transition.between(_ACTIVE | {RunPhase.CREATED, RunPhase.PAUSED}, RunPhase.CANCELLED),
    RunMove.DELETE: Transition.between(
        {RunPhase.CREATED, RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED}, RunPhase.DELETING
    ),
}

# What an operator may ask for, and the phases of the run that allow it. The API's 409 answers quote this table.
ALLOWED: Final[dict[str, frozenset[RunPhase]]] = {
    "start": RUN_TRANSITIONS[RunMove.START].sources,
    "pause": RUN_TRANSITIONS[RunMove.PAUSE].sources,
    "pause now": RUN_TRANSITIONS[RunMove.PAUSE_NOW].sources,
    "resume": RUN_TRANSITIONS[RunMove.RESUME].sources,
    "close round": _IN_ROUNDS,
    "retry round": _IN_ROUNDS,
    "skip evaluation": _IN_ROUNDS,
    "cancel": RUN_TRANSITIONS[RunMove.CANCEL].sources,
    "delete": RUN_TRANSITIONS[RunMove.DELETE].sources,
}

# A bound on the size of the record. A request is repeated within seconds, and an operator makes a few requests an hour.
_REMEMBERED_REQUESTS = 50


class RunChanges(TypedDict, total=False):
    """The fields of a run that may change, with their types, as `Run.replace` takes them."""

    phase: RunPhase
    version: int
    started_at: datetime | None
    ended_at: datetime | None
    paused_at: datetime | None
    paused_seconds: float
    prompted_at: datetime | None
    round: int | None
    finished_rounds: int
    abandoned_in_a_row: int
    base_round: int | None
    evaluating: tuple[int, ...]
    updates_kept_from: int
    model_sha256: str | None
    identity_list_sha256: str | None
    failure: str | None
    stopped_because: str | None
    requests: dict[str, str]


class Run(BaseModel):
    """One run as the ledger stores it. ``version`` grows by one with each change that is stored (compare-and-set)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[3] = 3
    id: RunId
    plan: Plan
    phase: RunPhase = RunPhase.CREATED
    version: Counted = 0
    correlation_id: str = Field(description="Names this run's work in every service's log.")
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    paused_at: datetime | None = Field(default=None, description="When the present pause began.")
    paused_seconds: float = Field(default=0.0, ge=0, description="The total length of all earlier pauses.")
    prompted_at: datetime | None = Field(default=None, description="When its preparation was last requested.")
    round: Counted | None = Field(default=None, description="The current round's number.")
    finished_rounds: Counted = Field(default=0, description="Training rounds that have finished.")
    abandoned_in_a_row: Counted = Field(default=0, description="Rounds that were abandoned since the last one finished.")
    base_round: Counted | None = Field(
        default=None, description="The finished round whose results the next cohort starts from."
    )
    evaluating: tuple[Counted, ...] = Field(
        default=(), description="Asynchronous runs: earlier rounds whose model version is still being scored."
    )
    updates_kept_from: Counted = Field(default=0, description="The updates of rounds before this one have been removed.")
    model_sha256: Sha256 | None = Field(default=None, description="The newest model version.")
    identity_list_sha256: Sha256 | None = Field(
        default=None, description="The identity list of its data set; none before it is listed, and in old runs."
    )
    failure: str | None = Field(default=None, description="Why the run failed.")
    stopped_because: str | None = Field(default=None, description="Which condition of the plan completed the run.")
    cloned_from: RunId | None = None
    requests: dict[str, str] = Field(default_factory=dict, description="Idempotency key → the request that was granted.")
    # Left out if there is none: the record is then what a FedFace without sign-in writes and reads.
    owner: str | None = Field(
        default=None,
        exclude_if=lambda owner: owner is None,
        description="The actor who created it; none if nobody had signed in, and in old runs.",
    )

    def active_seconds(self, now: datetime) -> float:
        """The time from the start of the run to ``now``, in seconds, without its pauses."""
        assert self.started_at is not None, "only a run that has started has active seconds"
        return ((self.paused_at or now) - self.started_at).total_seconds() - self.paused_seconds

    @property
    def is_prepared(self) -> bool:
        """Whether all that enrolment needs is in the artifact store: the initial model version and the identity list."""
        return self.model_sha256 is not None and self.identity_list_sha256 is not None

    def trained_rounds(self, current: int) -> int:
        """How many training rounds have a model version, scored or not. The ``current`` round counts as one that has."""
        unscored = [*self.evaluating, current]
        return self.finished_rounds + sum(RoundKind.of(number) is RoundKind.TRAINING for number in unscored)

    def has_granted(self, key: str | None, request: str) -> bool:
        """Whether ``request`` was granted already under this idempotency key. Without a key, it was not.

        `InvalidInputError` if the key was used for another request.
        """
        granted = self.requests.get(key) if key is not None else None
        if granted is not None and granted != request:
            raise InvalidInputError(
                f"the idempotency key {shown_key(key or '')!r} was used for '{granted}' on {self.id}, and not for "
                f"'{request}'; take a new key"
            )
        return granted is not None

    def require_allowed(self, action: str) -> None:
        """Check that the run's phase allows an operator's ``action``, a name in the table `ALLOWED`.

        `WrongPhaseError` if it does not.
        """
        if self.phase not in ALLOWED[action]:
            allowed = ", ".join(allowed_actions(self.phase)) or "nothing more"
            raise WrongPhaseError(f"cannot {action}: {self.id} is {self.phase}, which allows {allowed}")

    def replace(self, **changes: Unpack[RunChanges]) -> Run:
        """The run with some fields changed. `pydantic.ValidationError` if a field cannot hold its new value."""
        return replaced(self, changes)

    def next_version(self) -> Run:
        """The run with a version that is one higher, as the ledger stores it next."""
        return self.replace(version=self.version + 1)

    def with_request(self, key: str | None, request: str) -> Run:
        """The run with a granted request recorded under its idempotency key; the unchanged run if there is no key."""
        if key is None:
            return self
        newest = [*self.requests.items(), (key, request)][-_REMEMBERED_REQUESTS:]
        return self.replace(requests=dict(newest))

    # Moves from phase to phase.

    def started(self, now: datetime) -> Run:
        """The run in phase `preparing`. `WrongPhaseError` unless it is `created`."""
        self.require_allowed("start")
        return self._moved(RunMove.START, RunPhase.PREPARING, started_at=now, prompted_at=now)

    def pausing(self) -> Run:
        """The run in phase `pausing`: it starts nothing new, and is paused once nothing is in flight.

        `WrongPhaseError` unless it is preparing or running.
        """
        self.require_allowed("pause")
        return self._moved(RunMove.PAUSE, RunPhase.PAUSING)

    def paused(self, now: datetime) -> Run:
        """The pausing run in phase `paused`, since nothing is in flight any more."""
        return self._moved(RunMove.PAUSED, RunPhase.PAUSED, paused_at=now)

    def paused_at_once(self, now: datetime) -> Run:
        """The run in phase `paused` at once, though tasks may be in flight.

        `WrongPhaseError` unless it is preparing, running or pausing.
        """
        self.require_allowed("pause now")
        return self._moved(RunMove.PAUSE_NOW, RunPhase.PAUSED, paused_at=now)

    def resumed(self, now: datetime) -> Run:
        """The run in phase `running`, or in phase `preparing` if it has no round yet.

        `WrongPhaseError` unless it is pausing or paused.
        """
        self.require_allowed("resume")
        # The ledger's clock may have been set back during the pause.
        pause_seconds = max(0.0, (now - self.paused_at).total_seconds()) if self.paused_at else 0.0
        phase = RunPhase.PREPARING if self.round is None else RunPhase.RUNNING
        return self._moved(RunMove.RESUME, phase, paused_at=None, paused_seconds=self.paused_seconds + pause_seconds)

    def in_round(self, number: int) -> Run:
        """The run whose current round is ``number``. A preparing run becomes `running`; a pausing run stays `pausing`."""
        if self.phase is RunPhase.PREPARING:
            return self._moved(RunMove.BEGIN_ROUNDS, RunPhase.RUNNING, round=number)
        return self.replace(round=number)

    def completed(self, now: datetime, because: str) -> Run:
        """The run in phase `completed`; ``because`` says which condition of the plan was met."""
        return self._moved(RunMove.COMPLETE, RunPhase.COMPLETED, ended_at=now, failure=None, stopped_because=because)

    def failed(self, now: datetime, reason: str) -> Run:
        """The run in phase `failed`, with the reason for its operator."""
        return self._moved(RunMove.FAIL, RunPhase.FAILED, ended_at=now, failure=reason, stopped_because=None)

    def cancelled(self, now: datetime) -> Run:
        """The run in phase `cancelled`. `WrongPhaseError` if it has ended already."""
        self.require_allowed("cancel")
        return self._moved(RunMove.CANCEL, RunPhase.CANCELLED, ended_at=now, failure=None, stopped_because=None)

    def deleting(self) -> Run:
        """The run in phase `deleting`: all that it keeps is removed. `WrongPhaseError` if it is active or paused."""
        self.require_allowed("delete")
        return self._moved(RunMove.DELETE, RunPhase.DELETING)

    # What happens within a phase.

    def with_preparation_requested(self, now: datetime) -> Run:
        """The run whose preparation was requested again at ``now``."""
        return self.replace(prompted_at=now)

    def with_model(self, model_sha256: str) -> Run:
        """The run whose newest model version is ``model_sha256``."""
        return self.replace(model_sha256=model_sha256)

    def with_identity_list(self, identity_list_sha256: str) -> Run:
        """The run whose people are those of the identity list ``identity_list_sha256``."""
        return self.replace(identity_list_sha256=identity_list_sha256)

    def starting_from(self, number: int, model_sha256: str) -> Run:
        """The run whose next cohort starts from the results of round ``number``, whose model version is ``model_sha256``."""
        return self.replace(base_round=number, model_sha256=model_sha256)

    def starting_from_unscored(self, number: int, model_sha256: str) -> Run:
        """The run whose next cohort starts from the results of round ``number``, which is still being evaluated."""
        return self.starting_from(number, model_sha256).replace(evaluating=(*self.evaluating, number))

    def with_finished_round(self, number: int) -> Run:
        """The run with round ``number`` recorded as finished. `finished_rounds` counts training rounds only."""
        return self.replace(
            finished_rounds=self.finished_rounds + (RoundKind.of(number) is RoundKind.TRAINING),
            abandoned_in_a_row=0,
            evaluating=tuple(other for other in self.evaluating if other != number),
        )

    def with_abandoned_round(self) -> Run:
        """The run with one more round abandoned in a row."""
        return self.replace(abandoned_in_a_row=self.abandoned_in_a_row + 1)

    def with_updates_kept_from(self, number: int) -> Run:
        """The run recorded as having no updates of rounds before ``number`` in the artifact store."""
        return self.replace(updates_kept_from=number)

    def _moved(self, move: RunMove, target: RunPhase, **changes: Unpack[RunChanges]) -> Run:
        RUN_TRANSITIONS[move].require(self.phase, target)
        changes["phase"] = target
        return self.replace(**changes)


def shown_key(key: str) -> str:
    """An idempotency key as its sender wrote it. Where people sign in, the actor and a line break stand before it."""
    return key.rpartition("\n")[2]


def allowed_actions(phase: RunPhase) -> list[str]:
    """The actions that an operator may take on a run in this phase, by their names in the table `ALLOWED`."""
    return [name for name, phases in ALLOWED.items() if phase in phases]
