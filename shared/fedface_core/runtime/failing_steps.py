"""Gives up a step that fails again and again, so that no command is repeated for ever while nobody sees why.

The ledger counts the failures of each step. Nothing is read or written while nothing fails: an error is counted when it has
happened, and the end of a process when the message that it worked on comes back, before the step is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from fedface_core.contracts.tasks import round_of, step_of
from fedface_core.domain.commands import Command
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.facts import StepFailing
from fedface_core.domain.failures import OUTLIVED, PROCESS_ENDED, is_client_step, is_final
from fedface_core.domain.reasons import reason_of
from fedface_core.ports import Ports
from fedface_core.runtime.trail_notes import note

log = structlog.get_logger(__name__)

GiveUp = Callable[[str], None]
"""Ends the round or the run of a step that has failed too often; takes the reason."""


@contextmanager
def counting_failures(
    ports: Ports, command: Command, give_up: GiveUp, tell: Callable[[Exception], str] = reason_of
) -> Iterator[None]:
    """Count an unexpected error of the block as a failure of the command's step, and raise it again.

    ``give_up`` is called if the step has failed too often. ``tell`` says what the ledger keeps of an error. A service that
    has photographs gives one that names no file and quotes nothing.
    """
    try:
        yield
    except OUTLIVED:
        raise
    except Exception as error:
        count_safely(partial(_count, ports, command, tell(error), give_up))
        raise


@contextmanager
def command_came_back(ports: Ports, command: Command, give_up: GiveUp) -> Iterator[bool]:
    """Count that a command came back to its queue, since the process that worked on it has ended. The block tries it again.

    If it came back too often, ``give_up`` is called, and the block gets True: then it must not carry out the command. A
    block that ends without an error has carried it out, and its failures are forgotten. A command whose run or round is gone
    is not counted.
    """
    try:
        given_up = _count(ports, command, PROCESS_ENDED, give_up)
    except NotFoundError:
        given_up = False
    yield given_up
    if not given_up:
        ports.ledger.forget_failures(command.run_id, round_of(command), step_of(command))


def count_failure(ports: Ports, run_id: str, number: int | None, step: str, reason: str, *, times: int = 1) -> str | None:
    """Count a failure of a step of round ``number``, or of the run itself if that is None.

    Returns why the step is given up; None if it is to be tried again. It may fail ``times`` as often as other steps.
    `NotFoundError` if there is no such run or round.
    """
    failure = ports.ledger.record_failure(run_id, number, step, reason)
    run = ports.ledger.load(run_id)
    final = is_final(failure, run.plan.cohort.attempts, times)
    log.warning("failure_counted", step=step, reason=reason, in_a_row=failure.in_a_row, total=failure.total, final=final)
    if failure.in_a_row == 1 and not is_client_step(step):  # too many for the audit trail; the round names failed clients
        note(ports, run_id, run.correlation_id, StepFailing(run_id=run_id, step=step, round=number, reason=reason))
    return f"{step} failed {failure.total} times, in the end with {reason}" if final else None


def count_safely(count: Callable[[], object]) -> None:
    """Call ``count`` after an error. Whatever keeps it from counting is logged: the first error is the one to be told."""
    try:
        count()
    except NotFoundError:
        log.info("failure_not_counted", reason="the run or the round is gone")
    except Exception:
        log.exception("failure_not_counted")


def _count(ports: Ports, command: Command, reason: str, give_up: GiveUp) -> bool:
    """Count a failure of the command's step. Returns whether it was given up."""
    why = count_failure(ports, command.run_id, round_of(command), step_of(command), reason)
    if why is not None:
        give_up(why)
    return why is not None
