"""The sweep: every few seconds it closes overdue rounds and repeats what a stored phase implies but that got lost."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from fedface_control.close_round import close_round
from fedface_control.finish_round import move_on
from fedface_control.prompt import ask_for_model, publish_implied
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, EVALUATOR
from fedface_core.domain import run as runs
from fedface_core.domain.errors import FedFaceError, StaleVersionError
from fedface_core.domain.events import RoundReady
from fedface_core.domain.round import Round, RoundPhase, Tally
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import SWEEP_REPEATS

log = structlog.get_logger(__name__)

# Where other runs keep a queue busy, a round waits this many times longer before its commands are repeated.
_BUSY_PATIENCE = 10
# Who does the work of a phase.
_QUEUES = {RoundPhase.OPEN: CLIENT, RoundPhase.AGGREGATING: AGGREGATOR, RoundPhase.EVALUATING: EVALUATOR}


def sweep(ports: Ports, repeat_after: timedelta) -> None:
    """Look at every active run once. One run's trouble does not keep the others waiting."""
    for run in ports.ledger.active_runs():
        with structlog.contextvars.bound_contextvars(run_id=run.id, correlation_id=run.correlation_id):
            try:
                _sweep_run(ports, run, repeat_after)
            except StaleVersionError:
                log.info("sweep_overtaken")  # somebody moved the run on meanwhile, which is what we are after
            except FedFaceError:
                log.exception("sweep_failed")


def _sweep_run(ports: Ports, run: Run, repeat_after: timedelta) -> None:
    now = ports.clock.now()
    if run.phase is RunPhase.PREPARING:
        assert run.prompted_at is not None, "set when the run started"
        if _may_be_lost(ports, AGGREGATOR, run.prompted_at, now, repeat_after):
            _note_repeat("preparing")
            ask_for_model(ports, ports.ledger.save(runs.prompt_again(run, now), "model_asked_for_again"))
        return
    assert run.round is not None, "a running run has a round"
    current = ports.ledger.load_round(run.id, run.round)
    if current.phase is RoundPhase.FINISHED:
        move_on(ports, run)
        return
    tally = ports.ledger.tally(run.id, current.number)
    because = _reason_to_close(current, tally, now)
    if because is not None:
        close_round(ports, run, because)
    elif _may_be_lost(ports, _QUEUES[current.phase], tally.last_activity, now, repeat_after):
        _note_repeat(current.phase)
        publish_implied(ports, run, current)


def _reason_to_close(current: Round, tally: Tally, now: datetime) -> RoundReady | None:
    """An open round that is overdue, or ready although nobody's message said so."""
    if current.phase is not RoundPhase.OPEN:
        return None
    if tally.accepted >= current.quorum or not tally.unsettled:
        return RoundReady(run_id=current.run_id, round=current.number, because="settled")
    if now > current.deadline_at:
        return RoundReady(run_id=current.run_id, round=current.number, because="deadline")
    return None


def _may_be_lost(ports: Ports, queue: str, since: datetime, now: datetime, repeat_after: timedelta) -> bool:
    """Nothing happened for a while, and nothing waits in the queue that would explain it; or nothing for a long while."""
    idle = now - since
    if idle <= repeat_after:
        return False
    return idle > _BUSY_PATIENCE * repeat_after or ports.publisher.queue_depth(queue) == 0


def _note_repeat(phase: str) -> None:
    SWEEP_REPEATS.labels(phase).inc()
    log.warning("commands_repeated", phase=phase)
