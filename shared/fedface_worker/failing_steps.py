"""How a compute worker gives up a step that fails again and again: it reports the failed step to control."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Final, TypeVar

from fedface_core.contracts.tasks import ROUTES, round_of
from fedface_core.domain.commands import Command, FoldShard, HandleFact, HandOnShares, ReduceRound
from fedface_core.domain.errors import FedFaceError, TooFewUpdatesError
from fedface_core.domain.facts import OwnedStep, StepFailed
from fedface_core.ports import Ports
from fedface_core.runtime.failing_steps import command_came_back, counting_failures
from fedface_core.signing.life import working_for
from fedface_worker.public_reasons import public_reason
from fedface_worker.workbench import Workbench

_OF_ONE_COHORT: Final = (HandOnShares, FoldShard, ReduceRound)
"""What these stumble over may be of one client, and the next cohort has others."""
_LONGEST_REASON: Final = 1000
"""In characters. Weights that do not fit name their tensors."""
CommandT = TypeVar("CommandT", bound=Command)
Step = Callable[[Workbench, CommandT, str], None]
"""A function that carries out a command of a run with this correlation id."""


def counts_failures(step: Step[CommandT]) -> Step[CommandT]:
    """A decorator: unexpected errors of the step are counted, and raised. After too many the failed step is reported.

    What the step puts is signed for the run with its correlation id, and nothing is believed that was signed for another.
    Control then abandons the round, or ends the run.
    """

    @wraps(step)
    def counted(workbench: Workbench, command: CommandT, correlation_id: str) -> None:
        give_up = partial(report_failed_step, workbench.ports, command, correlation_id)
        with working_for(correlation_id), counting_failures(workbench.ports, command, give_up, public_reason):
            if not workbench.is_outdated(command, correlation_id):
                step(workbench, command, correlation_id)

    return counted


def step_came_back(ports: Ports, command: Command, correlation_id: str) -> AbstractContextManager[bool]:
    """Count that a command came back to its queue, since the process that worked on it has ended. The block tries it again.

    If it came back too often, the failed step is reported, and the block gets True: then it must not carry it out.
    """
    return command_came_back(ports, command, partial(report_failed_step, ports, command, correlation_id))


def failed_step(command: Command, what: str, error: FedFaceError) -> StepFailed:
    """The fact that the step which a command asks for cannot be done.

    ``what`` could not be done, in words; of the ``error`` the fact has what may leave the machine.
    """
    reason = public_reason(error, _LONGEST_REASON)
    may_help = isinstance(error, TooFewUpdatesError) or isinstance(command, HandOnShares)
    return _failed(command, f"{what}: {reason}" if what else reason, fresh_cohort_may_help=may_help)


def report_failed_step(ports: Ports, command: Command, correlation_id: str, reason: str) -> None:
    """Tell control that the step of a command is given up, and why; the ``reason`` may leave the machine."""
    fact = _failed(command, reason, fresh_cohort_may_help=isinstance(command, _OF_ONE_COHORT))
    ports.publisher.publish(HandleFact(run_id=command.run_id, fact=fact), correlation_id=correlation_id)


def _failed(command: Command, reason: str, *, fresh_cohort_may_help: bool) -> StepFailed:
    return StepFailed(
        run_id=command.run_id,
        step=OwnedStep(ROUTES[type(command)].task),
        round=round_of(command),
        reason=reason,
        fresh_cohort_may_help=fresh_cohort_may_help,
    )
