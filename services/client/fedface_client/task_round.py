"""The plan and the round that a task of clients is about."""

from __future__ import annotations

import structlog

from fedface_core.contracts.tasks import round_of
from fedface_core.domain.commands import ClientsOfRound, EnrolClients, TrainClients
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.runtime.failing_steps import counting_failures
from fedface_worker.public_reasons import public_reason
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


def plan_and_round(
    workbench: Workbench, command: EnrolClients | TrainClients | ClientsOfRound, correlation_id: str
) -> tuple[Plan, Round] | None:
    """The plan of the run and the round of the command; None if it is for an earlier life of its run.

    An unexpected error is counted as that of the task's first client and others. However many there are, no client worker
    may end a round: its deadline does.
    """
    with counting_failures(workbench.ports, command, _leave_to_the_deadline, public_reason):
        if workbench.is_outdated(command, correlation_id):
            return None
        plan = workbench.plan(command.run_id, correlation_id)
        number = round_of(command)
        assert number is not None, "clients work in rounds"
        return plan, workbench.current_round(command.run_id, number)


def _leave_to_the_deadline(reason: str) -> None:
    log.error("task_given_up", reason=reason)
