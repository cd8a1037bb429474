"""Carries out a task: its clients train one after the other, and each update is delivered while the next client trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from fedface_client.attempt import Attempt
from fedface_client.background_delivery import BackgroundDelivery
from fedface_client.invitation import Invitation
from fedface_client.make_updates import clients_at_once, make_updates
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
    """Have each client of the task make its update and deliver it, in the order of the task, or some of them at once.

    A task works until one group of clients has finished and `_TIME_SLICE_SECONDS` have passed; a group is one client, unless
    the plan vectorises clients. The clients that remain then go back to the queue, in tasks as large as the number of
    clients that finished. So slow clients get tasks of their own, no task comes near its time limit, and a worker that is
    told to stop ends soon. If a client fails unexpectedly, the clients after it go back to the queue too, and its error is
    raised. Of clients that train at once, each then goes back alone, so that only the one at fault fails again.
    """
    remaining = deque(command.clients)
    undelivered: list[str] = []
    opened = _plan_and_round(workbench, command, correlation_id)
    if opened is None:
        return
    plan, opened_round = opened
    at_once = clients_at_once(plan, opened_round)
    clock = workbench.ports.clock
    ends_at = clock.monotonic() + _TIME_SLICE_SECONDS
    try:
        with working_for(correlation_id), BackgroundDelivery() as background:
            while remaining and (len(remaining) == len(command.clients) or clock.monotonic() < ends_at):
                groups = _begin_groups(workbench, plan, opened_round, correlation_id, remaining)
                undelivered = [attempt.invitation.client_id for group in groups for attempt in group]
                for group in groups:
                    for attempt, update in make_updates(group, at_once):
                        try:
                            background.wait()
                        except Exception:
                            if at_once == 1:
                                remaining.appendleft(undelivered[0])  # it is the client before that has failed
                            raise
                        undelivered.remove(attempt.invitation.client_id)
                        if (remaining or undelivered) and attempt.can_deliver_in_background:
                            background.begin(attempt, update)
                        else:
                            attempt.deliver(update)
    except Exception:
        if at_once > 1:
            _publish(workbench, command, correlation_id, undelivered, 1)
        _requeue(workbench, command, correlation_id, tuple(remaining))
        raise
    _requeue(workbench, command, correlation_id, tuple(remaining))
    log.info("clients_done", clients=len(command.clients) - len(remaining), handed_back=len(remaining))


def _begin_groups(
    workbench: Workbench, plan: Plan, opened_round: Round, correlation_id: str, remaining: deque[str]
) -> list[list[Attempt]]:
    """Begin attempts of the next clients: as many as make their updates at once. Clients with nothing to do are left out.

    A client on a later attempt, which may have killed its worker before, is a group of its own, the last one.
    """
    group: list[Attempt] = []
    at_once = clients_at_once(plan, opened_round)
    taken = 0
    while remaining and taken < at_once:
        client = remaining.popleft()
        taken += 1
        try:
            attempt = Attempt.begin(workbench, Invitation(plan, opened_round, client, correlation_id))
        except Exception:
            remaining.extendleft(begun.invitation.client_id for begun in reversed(group))
            raise
        if attempt is None:
            continue
        if attempt.number > 1 and at_once > 1:
            return [group, [attempt]]
        group.append(attempt)
    return [group]


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
    _publish(workbench, command, correlation_id, remaining, len(command.clients) - len(remaining))


def _publish(
    workbench: Workbench, command: EnrolClients | TrainClients, correlation_id: str, clients: Sequence[str], size: int
) -> None:
    """Publish tasks of so many of these clients each."""
    if clients:
        tasks = [_task_for(command, tuple(clients[start : start + size])) for start in range(0, len(clients), size)]
        workbench.ports.publisher.publish_all(tasks, correlation_id=correlation_id)


def _task_for(command: EnrolClients | TrainClients, clients: tuple[str, ...]) -> EnrolClients | TrainClients:
    """A task for ``clients`` that is in all else like ``command``."""
    match command:
        case EnrolClients():
            return EnrolClients(run_id=command.run_id, clients=clients, device=command.device)
        case TrainClients():
            return TrainClients(run_id=command.run_id, round=command.round, clients=clients, device=command.device)
