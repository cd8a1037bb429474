"""How a run pauses or ends, and how a round is abandoned.

The run's record in the artifact store is written before the ledger, so that a restored ledger does not continue a run that
has ended.
"""

from __future__ import annotations

import structlog

from fedface_control.records import Detail, save_run
from fedface_core.contracts.schema_version import UNREADABLE
from fedface_core.domain.round import ENDED_ROUND, Round
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def pause_if_requested(ports: Ports, run: Run) -> Run | None:
    """Pause a run that is `pausing`, now that no round is in flight. None if the run is in another phase."""
    if run.phase is not RunPhase.PAUSING:
        return None
    return save_run(ports, run.paused(ports.clock.now()), "run_paused")


def complete(ports: Ports, run: Run, because: str) -> Run:
    """End a run that has met a stop condition of its plan; ``because`` says which."""
    completed = _end(ports, run.completed(ports.clock.now(), because), "run_completed")
    log.info("run_completed", model_sha256=completed.model_sha256, because=because)
    return completed


def fail(ports: Ports, run: Run, reason: str) -> Run:
    """End a run that cannot continue; ``reason`` says why."""
    log.error("run_failed", reason=reason)
    return _end(ports, run.failed(ports.clock.now(), reason), "run_failed")


def cancel(ports: Ports, run: Run, detail: Detail | None = None) -> Run:
    """End a run because its operator cancels it. `WrongPhaseError` if it has ended already."""
    cancelled = _end(ports, run.cancelled(ports.clock.now()), "run_cancelled", detail)
    log.info("run_cancelled", run_id=run.id, correlation_id=run.correlation_id)
    return cancelled


def abandon_round(
    ports: Ports, run: Run, current: Round, because: str, *, by_operator: bool = False, detail: Detail | None = None
) -> Run:
    """Abandon a round; ``because`` says why, and ``detail`` what else the event says. Returns the run as stored.

    The run fails if the round is enrolment, or if more rounds in a row were abandoned than the plan's `cohort.retries`
    allows. Rounds that an operator abandons do not count. Otherwise a round with a fresh cohort follows.
    """
    now = ports.clock.now()
    abandoned = current.abandoned(now, because)
    if not by_operator:
        run = run.with_abandoned_round()
    retries = run.plan.cohort.retries
    enrolled = current.kind is RoundKind.TRAINING
    if not enrolled or run.abandoned_in_a_row > retries:
        in_a_row = f"; {run.abandoned_in_a_row} rounds in a row were abandoned" if enrolled and retries else ""
        run = run.failed(now, f"round {current.number}: {because}{in_a_row}")
    run = save_run(ports, run, "round_abandoned", changed=abandoned, detail={"because": because, **(detail or {})})
    log.warning("round_abandoned", round=current.number, reason=because, run_phase=run.phase)
    return run


def _end(ports: Ports, ended: Run, event: str, detail: Detail | None = None) -> Run:
    """Save the ended run, and with it abandon its current round if that has not ended and can be read."""
    current = _current_round(ports, ended)
    if current is None or current.phase in ENDED_ROUND:
        return save_run(ports, ended, event, detail=detail)
    abandoned = current.abandoned(ports.clock.now(), f"the run has {ended.phase}")
    return save_run(ports, ended, event, changed=abandoned, detail=detail)


def _current_round(ports: Ports, run: Run) -> Round | None:
    """The run's current round; None if it has none, or if its record cannot be read: the run can end nevertheless."""
    if run.round is None:
        return None
    try:
        return ports.ledger.load_round(run.id, run.round)
    except UNREADABLE as error:
        log.warning("round_unreadable", round=run.round, reason=str(error))
        return None
