"""Carries out a task: its clients train one after the other, and each update is delivered while the next client trains."""

from __future__ import annotations

from collections import deque
from typing import Final

import structlog

from fedface_client.attempt import Attempt
from fedface_client.background_delivery import BackgroundDelivery
from fedface_client.invitation import Invitation
from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_core.runtime.failing_steps import counting_failures
from fedface_core.signing.life import working_for
from fedface_worker.public_reasons import public_reason
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)

_TIME_SLICE_SECONDS: Final = 1.0
"""Long enough that the cost of a message hardly counts; short compared with the grace period of a worker that stops."""


def carry_out_task(workbench: Workbench, command: EnrolClients | TrainClients, correlation_id: str) -> None:
    """Have each client of the task make its update and deliver it, in the order of the task.

    A task works until one client has finished and `_TIME_SLICE_SECONDS` have passed. The clients that remain then go back to
    the queue, in tasks as large as the number of clients that finished. So slow clients get tasks of their own, no task
    comes near its time limit, and a worker that is told to stop ends soon. If a client fails unexpectedly, the clients after
    it go back to the queue too, and its error is raised.
    """
    remaining = deque(command.clients)
    opened = _plan_and_round(workbench, command, correlation_id)
    if opened is None:
        return
    plan, opened_round = opened
    clock = workbench.ports.clock
    ends_at = clock.monotonic() + _TIME_SLICE_SECONDS
    try:
        with working_for(correlation_id), BackgroundDelivery() as background:
            while remaining and (len(remaining) == len(command.clients) or clock.monotonic() < ends_at):
                client = remaining.popleft()
                attempt = Attempt.begin(workbench, Invitation(plan, opened_round, client, correlation_id))
                update = attempt.make_update() if attempt else None
                try:
                    background.wait()
                except Exception:
                    remaining.appendleft(client)  # the delivery of the client before has failed, not this client
                    raise
                if attempt is None or update is None:
                    continue
                if remaining and attempt.can_deliver_in_background:
                    background.begin(attempt, update)
                else:
                    attempt.deliver(update)
    except Exception:
        _requeue(workbench, command, correlation_id, tuple(remaining))
        raise
    _requeue(workbench, command, correlation_id, tuple(remaining))
    log.info("clients_done", clients=len(command.clients) - len(remaining), handed_back=len(remaining))


def _plan_and_round(
    workbench: Workbench, command: EnrolClients | TrainClients, correlation_id: str
) -> tuple[Plan, Round] | None:
    """The plan of the run and the round of the command; None if it is for an earlier life of its run.

    An unexpected error is counted as that of the task's first client and others. However many there are, no client worker
    may end a round: its deadline does.
    """
    with counting_failures(workbench.ports, command, _leave_to_the_deadline, public_reason):
        if workbench.is_outdated(command, correlation_id):
            return None
        plan = workbench.plan(command.run_id, correlation_id)
        number = ENROLMENT_ROUND if isinstance(command, EnrolClients) else command.round
        return plan, workbench.opened_round(command.run_id, number, correlation_id)


def _leave_to_the_deadline(reason: str) -> None:
    log.error("task_given_up", reason=reason)


def _requeue(
    workbench: Workbench, command: EnrolClients | TrainClients, correlation_id: str, remaining: tuple[str, ...]
) -> None:
    """Publish tasks for the clients that remain.

    If the worker is killed before it acknowledges its own message, some clients are in two tasks, which does no harm.
    """
    if remaining:
        size = len(command.clients) - len(remaining)
        tasks = [_task_for(command, remaining[start : start + size]) for start in range(0, len(remaining), size)]
        workbench.ports.publisher.publish_all(tasks, correlation_id=correlation_id)


def _task_for(command: EnrolClients | TrainClients, clients: tuple[str, ...]) -> EnrolClients | TrainClients:
    """A task for ``clients`` that is in all else like ``command``."""
    match command:
        case EnrolClients():
            return EnrolClients(run_id=command.run_id, clients=clients, device=command.device)
        case TrainClients():
            return TrainClients(run_id=command.run_id, round=command.round, clients=clients, device=command.device)
