"""How a run halts, for a while or for good, and how a round is given up.

The record in the store is written first, so that a restored ledger does not take up again what has ended; then the ledger.
"""

from __future__ import annotations

import structlog

from fedface_control.records import store
from fedface_core.domain.round import ENDED_ROUND, Round
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def pause_if_asked(ports: Ports, run: Run) -> Run | None:
    """The paused run, if its operator has asked to pause it once nothing is in flight; else None."""
    if run.phase is not RunPhase.PAUSING:
        return None
    return store(ports, run.paused(ports.clock.now()), "run_paused")


def complete(ports: Ports, run: Run, because: str) -> Run:
    """End a run that has reached what it was asked for."""
    completed = _end(ports, run.completed(ports.clock.now(), because), "run_completed")
    log.info("run_completed", model_sha256=completed.model_sha256, because=because)
    return completed


def fail(ports: Ports, run: Run, reason: str) -> Run:
    """End a run that cannot go on."""
    log.error("run_failed", reason=reason)
    return _end(ports, run.failed(ports.clock.now(), reason), "run_failed")


def cancel(ports: Ports, run: Run) -> Run:
    """End a run for its operator. `WrongPhaseError` if it has ended already."""
    cancelled = _end(ports, run.cancelled(ports.clock.now()), "run_cancelled")
    log.info("run_cancelled", run_id=run.id, correlation_id=run.correlation_id)
    return cancelled


def abandon_round(ports: Ports, run: Run, current: Round, because: str, *, by_operator: bool = False) -> Run:
    """Give a round up. A fresh cohort follows, unless it was enrolment or one too many in a row: then the run fails."""
    now = ports.clock.now()
    abandoned = current.abandoned(now, because)
    if not by_operator:
        run = run.with_abandoned_round()
    retries = run.plan.cohort.retries
    enrolled = current.kind is RoundKind.TRAINING
    if not enrolled or run.abandoned_in_a_row > retries:
        in_a_row = f"; {run.abandoned_in_a_row} rounds in a row were abandoned" if enrolled and retries else ""
        run = run.failed(now, f"round {current.number}: {because}{in_a_row}")
    run = store(ports, run, "round_abandoned", changed=abandoned, detail={"because": because})
    log.warning("round_abandoned", round=current.number, reason=because, run_phase=run.phase)
    return run


def _end(ports: Ports, ended: Run, event: str) -> Run:
    """Store the ended run, and with it give up its current round if that has not ended."""
    current = ports.ledger.load_round(ended.id, ended.round) if ended.round is not None else None
    if current is None or current.phase in ENDED_ROUND:
        return store(ports, ended, event)
    return store(ports, ended, event, changed=current.abandoned(ports.clock.now(), f"the run has {ended.phase}"))
