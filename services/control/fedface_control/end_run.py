"""Ends a run: the record in the store first, so that a restored ledger does not take it up again, then the ledger."""

from __future__ import annotations

import structlog

from fedface_control.records import put_run, save_ended
from fedface_core.domain import run as runs
from fedface_core.domain.round import ENDED_ROUND, abandon
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def complete(ports: Ports, run: Run, because: str) -> Run:
    """The run has reached what it was asked for."""
    completed = _end(ports, runs.end(run, RunPhase.COMPLETED, ports.clock.now(), because=because), "run_completed")
    log.info("run_completed", model_sha256=completed.model_sha256, because=because)
    return completed


def fail(ports: Ports, run: Run, reason: str) -> Run:
    """The run cannot go on."""
    log.error("run_failed", reason=reason)
    return _end(ports, runs.end(run, RunPhase.FAILED, ports.clock.now(), failure=reason), "run_failed")


def cancel(ports: Ports, run: Run) -> Run:
    """An operator ends the run."""
    cancelled = _end(ports, runs.end(run, RunPhase.CANCELLED, ports.clock.now()), "run_cancelled")
    log.info("run_cancelled", run_id=run.id, correlation_id=run.correlation_id)
    return cancelled


def _end(ports: Ports, ended: Run, event: str) -> Run:
    put_run(ports, ended)
    current = ports.ledger.load_round(ended.id, ended.round) if ended.round is not None else None
    unfinished = current if current and current.phase not in ENDED_ROUND else None
    if unfinished is None:
        return ports.ledger.save(ended, event)
    return save_ended(ports, ended, event, abandon(unfinished, ports.clock.now(), f"the run has {ended.phase}"))
