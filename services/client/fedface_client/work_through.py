"""A task's clients, one after another: while one trains, the update of the one before is put and recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import structlog

from fedface_client.beside import Beside
from fedface_client.deliver_update import Delivery
from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)

# Long enough that a message costs next to nothing, short beside the grace period of a worker that is told to stop.
_SHARE = timedelta(seconds=1)

Respond = Callable[[str], Delivery | None]


def work_through(bench: Workbench, command: EnrolClients | TrainClients, correlation_id: str, respond: Respond) -> None:
    """Have the task's clients respond in turn, and carry out what each leaves to be done, in the same order.

    A task works for `_SHARE`, or for one client. Who is left then goes back to the queue, in tasks as large as what was
    done: slow clients come to have tasks of their own, no task comes near its time limit, and a worker that is told to stop
    has soon done so. Who is left behind a client that fails unexpectedly goes back likewise, and does not fail with it.
    """
    clock, left = bench.ports.clock, deque(command.clients)
    begun = clock.now()
    try:
        with Beside() as beside:
            while left and (len(left) == len(command.clients) or clock.now() - begun < _SHARE):
                _next_responds(left, respond, beside)
    except Exception:
        _hand_back(bench, command, correlation_id, tuple(left))
        raise
    _hand_back(bench, command, correlation_id, tuple(left))
    log.info("clients_done", clients=len(command.clients) - len(left), handed_back=len(left))


def _next_responds(left: deque[str], respond: Respond, beside: Beside) -> None:
    client = left.popleft()
    with _on_behalf_of(client):
        delivery = respond(client)
    try:
        beside.wait()
    except Exception:
        left.appendleft(client)  # what has failed is the delivery of the one before
        raise
    if delivery is None:
        return
    if left and delivery.may_wait:
        beside.begin(partial(_carry_out, client, delivery))
    else:
        _carry_out(client, delivery)


def _carry_out(client: str, delivery: Delivery) -> None:
    with _on_behalf_of(client):
        delivery.carry_out()


@contextmanager
def _on_behalf_of(client: str) -> Iterator[None]:
    """Logs name the client, and so does an unexpected error."""
    with structlog.contextvars.bound_contextvars(client_id=client):
        try:
            yield
        except Exception as error:
            error.add_note(f"at work for {client}")
            raise


def _hand_back(bench: Workbench, command: EnrolClients | TrainClients, correlation_id: str, left: Sequence[str]) -> None:
    """Killed in between, the worker leaves its message as well: then some clients are in two tasks, which does no harm."""
    if left:
        size = len(command.clients) - len(left)
        rest = [left[start : start + size] for start in range(0, len(left), size)]
        commands = [command.model_copy(update={"clients": some}) for some in rest]
        bench.ports.publisher.publish_all(commands, correlation_id=correlation_id)
