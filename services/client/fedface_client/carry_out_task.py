"""Carries out a task: its clients train one after the other, or some at once, and are delivered while the next train."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import structlog

from fedface_client.attempt import Attempt
from fedface_client.background_delivery import BackgroundDelivery, Delivery
from fedface_client.combined_delivery import CombinedDelivery
from fedface_client.invitation import Invitation, is_combined
from fedface_client.make_updates import clients_at_once, make_updates
from fedface_client.task_round import plan_and_round
from fedface_core.domain.client_tasks import TIME_SLICE_SECONDS
from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.signing.life import working_for
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


def carry_out_task(workbench: Workbench, command: EnrolClients | TrainClients, correlation_id: str) -> None:
    """Have each client of the task make its update and deliver it, in the order of the task, or some of them at once.

    A task works until one group of clients has finished and `TIME_SLICE_SECONDS` have passed; a group is one client, unless
    the plan vectorises clients. The clients that remain then go back to the queue, in tasks as large as the number of
    clients that finished. So slow clients get tasks of their own, no task comes near its time limit, and a worker that is
    told to stop ends soon. If a client fails unexpectedly, the clients after it go back to the queue too, and its error is
    raised. Of clients that train at once, each then goes back alone, so that only the one at fault fails again.
    """
    opened = plan_and_round(workbench, command, correlation_id)
    if opened is None:
        return
    task = _Task(workbench, command, correlation_id, *opened, deque(command.clients), workbench.ports.clock.monotonic())
    try:
        with working_for(correlation_id):
            if is_combined(task.plan, task.opened_round):
                _deliver_combined(task)
            else:
                _deliver_each(task)
    except Exception:
        task.requeue()
        raise
    task.requeue()
    remaining = len(task.remaining)
    log.info("clients_done", clients=len(command.clients) - remaining, handed_back=remaining)


@dataclass(frozen=True)
class _Task:
    """A task at work, and the clients that it has not begun with."""

    workbench: Workbench
    command: EnrolClients | TrainClients
    correlation_id: str
    plan: Plan
    opened_round: Round
    remaining: deque[str]
    began_at: float

    def goes_on(self) -> bool:
        """Whether the turn of a further client comes in this task: the first always, others within the time slice."""
        none_yet = len(self.remaining) == len(self.command.clients)
        in_time = self.workbench.ports.clock.monotonic() < self.began_at + TIME_SLICE_SECONDS
        return bool(self.remaining) and (none_yet or in_time)

    @property
    def may_begin_together(self) -> bool:
        """Whether one trip to the ledger may count attempts of several clients.

        So it is if none waits, if all are of one round, and if each has a further attempt: a trip whose answer is lost is
        made again, and counts again.
        """
        alone = self.plan.devices.simulated or self.plan.aggregation.is_asynchronous or self.plan.cohort.attempts == 1
        return not alone

    def begin_next(self) -> Attempt | None:
        """Take the next client out of ``remaining``, and begin its attempt. None if it has nothing to do."""
        return Attempt.begin(self.workbench, self._invitation(self.remaining.popleft()))

    def begin_together(self, at_once: int) -> list[Attempt]:
        """Take so many of the next clients out of ``remaining`` at most, and begin their attempts in one trip to the ledger.

        Clients with nothing to do are left out. A client on a later attempt begins alone. If an error is raised, the first
        client is taken out, and the others may be begun again.
        """
        invitations = [self._invitation(client) for client in islice(self.remaining, at_once)]
        try:
            begun, looked_at = Attempt.begin_together(self.workbench, invitations)
        except Exception:
            self.remaining.popleft()
            raise
        for _ in range(looked_at):
            self.remaining.popleft()
        return begun

    def _invitation(self, client: str) -> Invitation:
        return Invitation(self.plan, self.opened_round, client, self.correlation_id)

    def requeue(self) -> None:
        """Publish tasks for the clients that remain.

        If the worker is killed before it acknowledges its own message, some clients are in two tasks, which does no harm.
        """
        self.publish(tuple(self.remaining), len(self.command.clients) - len(self.remaining))

    def publish(self, clients: Sequence[str], size: int) -> None:
        """Publish tasks of ``size`` of these clients each."""
        if clients:
            tasks = [self._like_this(tuple(clients[start : start + size])) for start in range(0, len(clients), size)]
            self.workbench.ports.publisher.publish_all(tasks, correlation_id=self.correlation_id)

    def _like_this(self, clients: tuple[str, ...]) -> EnrolClients | TrainClients:
        """A task for ``clients`` that is in all else like this one."""
        match self.command:
            case EnrolClients(run_id=run_id, device=device):
                return EnrolClients(run_id=run_id, clients=clients, device=device)
            case TrainClients(run_id=run_id, round=number, device=device):
                return TrainClients(run_id=run_id, round=number, clients=clients, device=device)


def _deliver_each(task: _Task) -> None:
    """Have each client make its update, or some of them at once, and deliver their updates while the next ones train."""
    at_once = clients_at_once(task.plan, task.opened_round)
    background = BackgroundDelivery()
    untrained: list[str] = []
    try:
        with background:
            while task.goes_on():
                groups = _begin_groups(task, at_once)
                untrained = [attempt.invitation.client_id for group in groups for attempt in group]
                for deliveries in chain.from_iterable(_make_updates(group, at_once, background) for group in groups):
                    try:
                        background.wait()
                    except Exception:
                        if at_once == 1:
                            task.remaining.appendleft(untrained[0])  # it is the client before that has failed
                        raise
                    trained = {delivery.client for delivery in deliveries}
                    untrained = [client for client in untrained if client not in trained]
                    others_train = bool(task.remaining or untrained)
                    if others_train and all(delivery.attempt.can_deliver_in_background for delivery in deliveries):
                        background.begin(deliveries)
                    else:
                        background.carry_out(deliveries)
                    del deliveries  # each one's memory is free as soon as it is delivered
    except Exception:
        if at_once > 1:
            task.publish([*background.undelivered, *untrained], 1)
        raise


def _make_updates(group: list[Attempt], at_once: int, background: BackgroundDelivery) -> Iterator[list[Delivery]]:
    if at_once > 1 and any(attempt.number > 1 for attempt in group):
        background.wait()  # this client may kill the worker, and must not take a whole group's deliveries with it
    yield from make_updates(group, at_once)


def _begin_groups(task: _Task, at_once: int) -> list[list[Attempt]]:
    """Begin attempts of the next clients: as many as make their updates at once. Clients with nothing to do are left out.

    A client on a later attempt, which may have killed its worker before, is a group of its own, the last one.
    """
    if at_once > 1 and task.may_begin_together:
        return [task.begin_together(at_once)]
    group: list[Attempt] = []
    for _ in range(min(at_once, len(task.remaining))):
        try:
            attempt = task.begin_next()
        except Exception:
            task.remaining.extendleft(begun.invitation.client_id for begun in reversed(group))
            raise
        if attempt is None:
            continue
        if attempt.number > 1 and at_once > 1:
            return [group, [attempt]]
        group.append(attempt)
    return [group]


def _deliver_combined(task: _Task) -> None:
    """Have each client train, or some of them at once, and deliver all together, also if one of them fails unexpectedly."""
    at_once = clients_at_once(task.plan, task.opened_round)
    combined = CombinedDelivery(task.workbench)
    groups: list[list[Attempt]] = []
    try:
        while task.goes_on():
            groups = _begin_groups(task, at_once)
            for group in groups:
                combined.train(group)
            groups = []
    except Exception:
        combined.deliver()
        if at_once > 1:  # those of them that have trained have settled now, and have nothing to do when they are asked again
            task.publish([attempt.invitation.client_id for group in groups for attempt in group], 1)
        raise
    combined.deliver()
