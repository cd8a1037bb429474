"""How control gives up a step of its own that fails again and again: it ends the run.

No fact tells control of it, since to handle a fact may be what fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from fedface_control.compare_and_set import retry_if_stale
from fedface_control.halt import fail
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.facts import Fact
from fedface_core.domain.failures import OUTLIVED
from fedface_core.domain.reasons import reason_of
from fedface_core.domain.run import ENDED, RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.failing_steps import command_came_back, count_failure, count_safely, counting_failures

SWEEP_STEP: Final = "control.sweep"
_SWEEPS_PER_REPETITION: Final = 12
"""The sweep comes every few seconds, and a command is repeated after a minute. Both are given up after some minutes."""


@contextmanager
def counting_failures_of_fact(ports: Ports, fact: Fact) -> Iterator[None]:
    """Count an unexpected error of the block as a failure to handle the fact, and raise it again. Too many fail the run."""
    with counting_failures(ports, HandleFact(run_id=fact.run_id, fact=fact), partial(fail_run, ports, fact.run_id)):
        yield


def fact_came_back(ports: Ports, command: HandleFact, _correlation_id: str) -> AbstractContextManager[bool]:
    """Count that a fact came back to the queue, since the process that handled it has ended. The block handles it again.

    If it came back too often, the run fails, and the block gets True: then it must not handle the fact.
    """
    return command_came_back(ports, command, partial(fail_run, ports, command.run_id))


def count_failed_sweep(ports: Ports, run_id: str, error: Exception) -> None:
    """Count an unexpected error of the sweep of one run. Too many in a row fail the run. No error is raised."""

    def count() -> None:
        why = count_failure(ports, run_id, None, SWEEP_STEP, reason_of(error), times=_SWEEPS_PER_REPETITION)
        if why is not None:
            fail_run(ports, run_id, why)

    if not isinstance(error, OUTLIVED):
        count_safely(count)


@retry_if_stale
def fail_run(ports: Ports, run_id: str, reason: str) -> None:
    """End the run, unless it has ended already or is being deleted."""
    run = ports.ledger.load(run_id)
    if run.phase not in ENDED | {RunPhase.CREATED}:
        fail(ports, run, reason)
