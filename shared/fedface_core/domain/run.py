"""A run: one federated training with one immutable plan, many rounds."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.ids import RunId, Sha256
from fedface_core.domain.plan import Plan


class RunPhase(StrEnum):
    """Where a run stands."""

    CREATED = "created"
    PREPARING = "preparing"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED})

# What an operator may ask for, and from which phases. The API's 409 answers quote this table.
ALLOWED: dict[str, frozenset[RunPhase]] = {
    "start": frozenset({RunPhase.CREATED}),
    "cancel": frozenset({RunPhase.CREATED, RunPhase.PREPARING, RunPhase.RUNNING}),
}


class Run(BaseModel):
    """One run as the ledger stores it. ``version`` grows by one with each stored change (compare-and-set)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: RunId
    plan: Plan
    phase: RunPhase = RunPhase.CREATED
    version: int = 0
    correlation_id: str = Field(description="Names this run's work in every service's log.")
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    prompted_at: datetime | None = Field(default=None, description="When the initial model was last asked for.")
    round: int | None = Field(default=None, description="The current round's number.")
    model_sha256: Sha256 | None = Field(default=None, description="The newest model version.")
    failure: str | None = Field(default=None, description="Why the run failed.")


def require_allowed(run: Run, action: str) -> None:
    """Refuse an operator's action that the run's phase does not allow."""
    if run.phase not in ALLOWED[action]:
        allowed = [name for name, phases in ALLOWED.items() if run.phase in phases]
        raise WrongPhaseError(
            f"cannot {action} {run.id}: it is {run.phase}; in that phase "
            + (f"you may {' or '.join(allowed)} it" if allowed else "nothing more can be done to it")
        )


def start(run: Run, now: datetime) -> Run:
    """The run with its initial model being prepared."""
    require_allowed(run, "start")
    return run.model_copy(update={"phase": RunPhase.PREPARING, "started_at": now, "prompted_at": now})


def prompt_again(run: Run, now: datetime) -> Run:
    """The run with its initial model asked for once more."""
    return run.model_copy(update={"prompted_at": now})


def begin_round(run: Run, number: int, model_sha256: str) -> Run:
    """The run in round ``number``, whose cohort starts from ``model_sha256``."""
    return run.model_copy(update={"phase": RunPhase.RUNNING, "round": number, "model_sha256": model_sha256})


def with_model(run: Run, model_sha256: str) -> Run:
    """The run with a newer model version."""
    return run.model_copy(update={"model_sha256": model_sha256})


def end(run: Run, phase: RunPhase, now: datetime, failure: str | None = None) -> Run:
    """The run ended: completed, failed (with the reason) or cancelled."""
    assert phase in ENDED
    return run.model_copy(update={"phase": phase, "ended_at": now, "failure": failure})
