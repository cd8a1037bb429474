"""A run: one federated training with one immutable plan, many rounds; and what an operator may ask of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.errors import InvalidInputError, WrongPhaseError
from fedface_core.domain.ids import RunId, Sha256
from fedface_core.domain.plan import Plan


class RunPhase(StrEnum):
    """Where a run stands."""

    CREATED = "created"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETING = "deleting"


ENDED = frozenset({RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED, RunPhase.DELETING})

_ACTIVE = frozenset({RunPhase.PREPARING, RunPhase.RUNNING, RunPhase.PAUSING})
_IN_ROUNDS = frozenset({RunPhase.RUNNING, RunPhase.PAUSING})

# What an operator may ask for, and from which phases. The API's 409 answers quote this table.
ALLOWED: dict[str, frozenset[RunPhase]] = {
    "start": frozenset({RunPhase.CREATED}),
    "pause": frozenset({RunPhase.PREPARING, RunPhase.RUNNING}),
    "pause now": _ACTIVE,
    "resume": frozenset({RunPhase.PAUSING, RunPhase.PAUSED}),
    "close round": _IN_ROUNDS,
    "retry round": _IN_ROUNDS,
    "skip evaluation": _IN_ROUNDS,
    "cancel": _ACTIVE | {RunPhase.CREATED, RunPhase.PAUSED},
    "delete": frozenset({RunPhase.CREATED, RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED}),
}

# A bound on the record's size. A request is repeated within seconds, and an operator makes a few an hour.
_REMEMBERED_REQUESTS = 50


class Run(BaseModel):
    """One run as the ledger stores it. ``version`` grows by one with each stored change (compare-and-set)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    id: RunId
    plan: Plan
    phase: RunPhase = RunPhase.CREATED
    version: int = 0
    correlation_id: str = Field(description="Names this run's work in every service's log.")
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    paused_at: datetime | None = Field(default=None, description="Since when it has been paused.")
    paused_seconds: float = Field(default=0.0, description="How long all earlier pauses were together.")
    prompted_at: datetime | None = Field(default=None, description="When the initial model was last asked for.")
    round: int | None = Field(default=None, description="The current round's number.")
    finished_rounds: int = Field(default=0, description="Training rounds that have finished.")
    abandoned_in_a_row: int = Field(default=0, description="Rounds that were abandoned since one finished.")
    base_round: int | None = Field(default=None, description="The finished round whose results the next cohort starts from.")
    evaluating: tuple[int, ...] = Field(
        default=(), description="Asynchronous: earlier rounds whose model version is still being scored."
    )
    updates_kept_from: int = Field(default=0, description="The updates of rounds before this one have been removed.")
    model_sha256: Sha256 | None = Field(default=None, description="The newest model version.")
    failure: str | None = Field(default=None, description="Why the run failed.")
    stopped_because: str | None = Field(default=None, description="Which condition of the plan completed it.")
    cloned_from: RunId | None = None
    requests: dict[str, str] = Field(default_factory=dict, description="Idempotency key → what it asked for.")

    def active_seconds(self, now: datetime) -> float:
        """The time since the start, pauses apart."""
        assert self.started_at is not None, "asked of a run that has started"
        return ((self.paused_at or now) - self.started_at).total_seconds() - self.paused_seconds


def allowed_actions(phase: RunPhase) -> list[str]:
    """What an operator may ask of a run in this phase, in the table's words."""
    return [name for name, phases in ALLOWED.items() if phase in phases]


def require_allowed(run: Run, action: str) -> None:
    """Refuse an operator's action that the run's phase does not allow."""
    if run.phase not in ALLOWED[action]:
        allowed = ", ".join(allowed_actions(run.phase)) or "nothing more"
        raise WrongPhaseError(f"cannot {action}: {run.id} is {run.phase}, which allows {allowed}")


def asked_before(run: Run, key: str | None, request: str) -> bool:
    """Whether this very request was granted already. `InvalidInputError` where the key was used for another one."""
    known = run.requests.get(key) if key is not None else None
    if known is not None and known != request:
        raise InvalidInputError(
            f"the idempotency key {key!r} was used for '{known}' on {run.id}, and not for '{request}'; take a new key"
        )
    return known is not None


def noted(run: Run, key: str | None, request: str) -> Run:
    """The run that remembers the request, so that asking again with the same key changes nothing."""
    if key is None:
        return run
    newest = [*run.requests.items(), (key, request)][-_REMEMBERED_REQUESTS:]
    return run.model_copy(update={"requests": dict(newest)})


def start(run: Run, now: datetime) -> Run:
    """The run with its initial model being prepared."""
    require_allowed(run, "start")
    return run.model_copy(update={"phase": RunPhase.PREPARING, "started_at": now, "prompted_at": now})


def prompt_again(run: Run, now: datetime) -> Run:
    """The run with its initial model asked for once more."""
    return run.model_copy(update={"prompted_at": now})


def pause(run: Run) -> Run:
    """The run that starts nothing new, and is paused once what is in flight has finished."""
    require_allowed(run, "pause")
    return run.model_copy(update={"phase": RunPhase.PAUSING})


def paused(run: Run, now: datetime) -> Run:
    """The paused run: at once, or because all that was in flight has finished."""
    return run.model_copy(update={"phase": RunPhase.PAUSED, "paused_at": now})


def resume(run: Run, now: datetime) -> Run:
    """The run that goes on: with its rounds, or with the preparation of its model where there is none yet."""
    require_allowed(run, "resume")
    pause_seconds = (now - run.paused_at).total_seconds() if run.paused_at else 0.0
    return run.model_copy(
        update={
            "phase": RunPhase.PREPARING if run.round is None else RunPhase.RUNNING,
            "paused_at": None,
            "paused_seconds": run.paused_seconds + pause_seconds,
        }
    )


def begin_round(run: Run, number: int) -> Run:
    """The run in round ``number``. A pausing run stays so: its operator was faster than the round."""
    phase = RunPhase.RUNNING if run.phase is RunPhase.PREPARING else run.phase
    return run.model_copy(update={"phase": phase, "round": number})


def with_model(run: Run, model_sha256: str) -> Run:
    """The run with a newer model version."""
    return run.model_copy(update={"model_sha256": model_sha256})


def start_from(run: Run, number: int, model_sha256: str) -> Run:
    """The run whose next cohort starts from the results of round ``number``."""
    return with_model(run, model_sha256).model_copy(update={"base_round": number})


def evaluate_meanwhile(run: Run, number: int, model_sha256: str) -> Run:
    """The run whose next cohort starts from the results of round ``number`` while its model version is being scored."""
    waiting = (*run.evaluating, number)
    return start_from(run, number, model_sha256).model_copy(update={"evaluating": waiting})


def trained_rounds(run: Run, current: int) -> int:
    """Training rounds whose model version is there, scored or not, where the ``current`` one's is."""
    return run.finished_rounds + sum(number > 0 for number in (*run.evaluating, current))


def round_finished(run: Run, number: int) -> Run:
    """The run with one more training round finished. Round 0, enrolment, is none."""
    waiting = tuple(other for other in run.evaluating if other != number)
    counts = {"finished_rounds": run.finished_rounds + (number > 0), "abandoned_in_a_row": 0}
    return run.model_copy(update={**counts, "evaluating": waiting})


def round_abandoned(run: Run) -> Run:
    """The run with one more round given up for lack of updates."""
    return run.model_copy(update={"abandoned_in_a_row": run.abandoned_in_a_row + 1})


def end(run: Run, phase: RunPhase, now: datetime, *, failure: str | None = None, because: str | None = None) -> Run:
    """The run ended: completed (by which condition), failed (why) or cancelled."""
    assert phase in ENDED
    return run.model_copy(update={"phase": phase, "ended_at": now, "failure": failure, "stopped_because": because})


def delete(run: Run) -> Run:
    """The run whose artifacts and records are being removed."""
    require_allowed(run, "delete")
    return run.model_copy(update={"phase": RunPhase.DELETING})
