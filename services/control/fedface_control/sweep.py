"""The sweep: every few seconds, each active run proceeds from its stored state, and commands that seem lost are repeated."""

from __future__ import annotations

from datetime import timedelta

import structlog

from fedface_control.failing import SWEEP_STEP, count_failed_sweep
from fedface_control.phases.evaluating import publish_for_earlier_rounds
from fedface_control.proceed import proceed
from fedface_control.publish import PendingWork
from fedface_control.upkeep.retention import delete_run, remove_leftovers
from fedface_core.domain.errors import StaleVersionError
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import SWEEP_REPEATS

log = structlog.get_logger(__name__)

# While messages wait in a queue, a round waits this many times longer before its commands are repeated.
_BUSY_QUEUE_FACTOR = 10


def sweep(ports: Ports, repeat_after: timedelta) -> None:
    """Look at every active run once, then remove what came late for deleted runs.

    An error of one run does not keep the other runs waiting: it is logged and counted, and too many in a row fail that run.
    ``repeat_after`` says how long nothing must have happened in a phase before its commands are repeated.
    """
    for run in ports.ledger.active_runs():
        with structlog.contextvars.bound_contextvars(run_id=run.id, correlation_id=run.correlation_id):
            try:
                _sweep_run(ports, run, repeat_after)
                ports.ledger.forget_failures(run.id, None, SWEEP_STEP)
            except StaleVersionError:
                log.info("sweep_overtaken")  # another process has changed the run meanwhile, which is what a sweep is for
            except Exception as error:  # whatever is wrong with one run: the next sweep comes, and the others must not wait
                log.exception("sweep_failed")
                count_failed_sweep(ports, run.id, error)
    remove_leftovers(ports)


def _sweep_run(ports: Ports, run: Run, repeat_after: timedelta) -> None:
    if run.phase is RunPhase.DELETING:
        delete_run(ports, run)
        return

    def seems_lost(work: PendingWork) -> bool:
        """Whether nothing happened for a while and no message waits in the queue, or nothing happened for a long while."""
        idle = ports.clock.now() - work.last_activity
        if timedelta() <= idle <= repeat_after:
            return False
        # A last activity in the future means that the ledger's clock was set back. Nothing must wait until that future.
        if timedelta() <= idle <= _BUSY_QUEUE_FACTOR * repeat_after and ports.publisher.queue_depth(work.queue) > 0:
            return False
        SWEEP_REPEATS.labels(work.phase).inc()
        log.warning("commands_repeated", phase=work.phase)
        return True

    proceed(ports, run, seems_lost)
    publish_for_earlier_rounds(ports, run, seems_lost)
