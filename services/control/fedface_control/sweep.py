"""The sweep: every few seconds it takes up every run from its stored state, and repeats commands that seem to be lost."""

from __future__ import annotations

from datetime import timedelta

import structlog

from fedface_control.phases.evaluating import ask_for_earlier_rounds
from fedface_control.proceed import proceed
from fedface_control.publish import Waiting
from fedface_control.upkeep.retention import delete_run
from fedface_core.domain.errors import StaleVersionError
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import SWEEP_REPEATS

log = structlog.get_logger(__name__)

# Where other runs keep a queue busy, a round waits this many times longer before its commands are repeated.
_BUSY_PATIENCE = 10


def sweep(ports: Ports, repeat_after: timedelta) -> None:
    """Look at every active run once. One run's trouble does not keep the others waiting."""
    for run in ports.ledger.active_runs():
        with structlog.contextvars.bound_contextvars(run_id=run.id, correlation_id=run.correlation_id):
            try:
                _sweep_run(ports, run, repeat_after)
            except StaleVersionError:
                log.info("sweep_overtaken")  # somebody moved the run on meanwhile, which is what we are after
            except Exception:  # whatever is wrong with one run: the next sweep comes, and the others must not wait
                log.exception("sweep_failed")


def _sweep_run(ports: Ports, run: Run, repeat_after: timedelta) -> None:
    if run.phase is RunPhase.DELETING:
        delete_run(ports, run)
        return

    def seem_lost(waiting: Waiting) -> bool:
        """Nothing happened for a while, and nothing in the queue would explain it; or nothing for a long while."""
        idle = ports.clock.now() - waiting.since
        if idle <= repeat_after:
            return False
        if idle <= _BUSY_PATIENCE * repeat_after and ports.publisher.queue_depth(waiting.queue) > 0:
            return False
        SWEEP_REPEATS.labels(waiting.phase).inc()
        log.warning("commands_repeated", phase=waiting.phase)
        return True

    proceed(ports, run, seem_lost)
    ask_for_earlier_rounds(ports, run, seem_lost)
