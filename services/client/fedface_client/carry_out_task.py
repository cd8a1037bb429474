"""The story of a task: its clients train in turn, and while one trains, the update of the one before is delivered."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import structlog

from fedface_client.attempt import Attempt
from fedface_client.background_delivery import BackgroundDelivery
from fedface_client.settle import Invitation
from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)

# Long enough that a message costs next to nothing, short beside the grace period of a worker that is told to stop.
_SHARE = timedelta(seconds=1)


def carry_out_task(workbench: Workbench, command: EnrolClients | TrainClients, correlation_id: str) -> None:
    """Have each client of the task make its update and deliver it, in the order of the task.

    A task works for `_SHARE`, or for one client. Who is left then goes back to the queue, in tasks as large as what was
    done: slow clients come to have tasks of their own, no task comes near its time limit, and a worker that is told to stop
    has soon done so. Who is left behind a client that fails unexpectedly goes back likewise, and does not fail with it.
    """
    left = deque(command.clients)
    plan = workbench.plan(command.run_id, correlation_id)
    opened = workbench.opened_round(command.run_id, _round_of(command), correlation_id)
    clock = workbench.ports.clock
    begun = clock.now()
    try:
        with BackgroundDelivery() as background:
            while left and (len(left) == len(command.clients) or clock.now() - begun < _SHARE):
                client = left.popleft()
                attempt = Attempt.begin(workbench, Invitation(plan, opened, client, correlation_id))
                update = attempt.make_update() if attempt else None
                try:
                    background.wait()
                except Exception:
                    left.appendleft(client)  # what has failed is the delivery of the one before
                    raise
                if attempt is None or update is None:
                    continue
                if left and attempt.may_wait:
                    background.begin(attempt, update)
                else:
                    attempt.deliver(update)
    except Exception:
        _hand_back(workbench, command, correlation_id, tuple(left))
        raise
    _hand_back(workbench, command, correlation_id, tuple(left))
    log.info("clients_done", clients=len(command.clients) - len(left), handed_back=len(left))


def _round_of(command: EnrolClients | TrainClients) -> int:
    match command:
        case EnrolClients():
            return ENROLMENT_ROUND
        case TrainClients():
            return command.round


def _hand_back(
    workbench: Workbench, command: EnrolClients | TrainClients, correlation_id: str, left: tuple[str, ...]
) -> None:
    """Killed in between, the worker leaves its message as well: then some clients are in two tasks, which does no harm."""
    if left:
        size = len(command.clients) - len(left)
        tasks = [_task_like(command, left[start : start + size]) for start in range(0, len(left), size)]
        workbench.ports.publisher.publish_all(tasks, correlation_id=correlation_id)


def _task_like(command: EnrolClients | TrainClients, clients: tuple[str, ...]) -> EnrolClients | TrainClients:
    """The task of the same round for other clients."""
    match command:
        case EnrolClients():
            return EnrolClients(run_id=command.run_id, clients=clients)
        case TrainClients():
            return TrainClients(run_id=command.run_id, round=command.round, clients=clients)
