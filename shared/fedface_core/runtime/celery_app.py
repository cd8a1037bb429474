"""Celery, configured so that commands are delivered at least once, and the registration of a command's handler as a task."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import structlog
from celery import Celery, Task
from kombu import Exchange, Queue
from pydantic import BaseModel

from fedface_core.contracts.broker_keys import unacked_keys
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.contracts.tasks import CORRELATION_HEADER, QUEUES, ROUTES
from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError
from fedface_core.runtime.keyring import keyring_of
from fedface_core.runtime.metrics import TASK_SECONDS, TASKS_CAME_BACK, TaskOutcome, export_task
from fedface_core.runtime.received_message import REMEDY
from fedface_core.runtime.redis_url import uses_tls
from fedface_core.runtime.settings import Settings, WorkerSettings
from fedface_core.runtime.traces import traced_task
from fedface_core.signing.errors import SignatureError
from fedface_core.signing.keys import Keyring
from fedface_core.signing.messages import SIGNATURE_HEADER, check_message

log = structlog.get_logger(__name__)
_NAMED_IN_LOGS = {"run_id", "round", "client_id", "shard"}
CommandT = TypeVar("CommandT", bound=BaseModel)


class SigningCelery(Celery):
    """A Celery app that has the keys of its process."""

    keyring: Keyring
    takes_from: str | None
    """The queue that this process takes tasks from; None if it only publishes."""


def create_celery(settings: Settings, takes_from: str | None = None) -> SigningCelery:
    """The Celery app that publishes commands. With `WorkerSettings` it also has the limits of a worker's tasks.

    ``takes_from`` is the queue of a worker. What it has taken and not acknowledged lies under keys of this queue alone, so
    no worker needs to read, or could put back, the messages of other services.
    """
    broker = settings.redis_address
    app = SigningCelery("fedface", broker=broker, set_as_current=False)
    app.keyring = keyring_of(settings)
    app.takes_from = takes_from
    app.conf.update(
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        task_acks_late=True,  # a killed worker's message is delivered again
        task_reject_on_worker_lost=True,
        task_acks_on_timeout=False,  # nor is that of a task which is killed since it takes too long; `came_back` counts both
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_transport="fedface_core.runtime.broker_transport:Transport",
        # Kombu does not take TLS from the URL of a transport that has another name. Parameters of the URL override this.
        broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED} if uses_tls(broker) else None,
        # A worker waits for its broker however long it is away, and also while it answers with errors, as a Redis does that
        # refuses writes. By default an error answer ends the worker at once, and the hundredth failed attempt does.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_transport_options={
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "priority_steps": [0],  # a queue is one list; kombu would look into four, and nobody writes to the others
            **({} if takes_from is None else unacked_keys(takes_from)),
        },
        # Whoever can write to the broker could shut all workers down, or have them call functions.
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        enable_utc=True,
    )
    if isinstance(settings, WorkerSettings):
        limit = settings.task_time_limit_seconds
        app.conf.update(
            task_time_limit=limit,
            worker_concurrency=settings.concurrency,
            # Above the time limit. Otherwise a task that still runs would be delivered to a second worker.
            broker_transport_options=app.conf.broker_transport_options | {"visibility_timeout": 2 * limit},
        )
    return app


def register_handler(
    app: SigningCelery,
    command_type: type[CommandT],
    handle: Callable[[CommandT, str], None],
    came_back: Callable[[CommandT, str], AbstractContextManager[bool]] = lambda _command, _id: nullcontext(False),
) -> None:
    """Register ``handle(command, correlation_id)`` as the Celery task for commands of type ``command_type``.

    A message is validated first. If it is no such command, or has an unknown schema version, it is refused: logged in one
    line, counted and dropped. So is a message that is not signed by a service which may send it. An exception of ``handle``
    is logged with its traceback and counted, and the message is dropped, since the sweep repeats commands that are still
    needed. A task that is interrupted since its worker ends goes back into the queue. So does one whose process is killed,
    which it may cause itself. When it comes back, it is handled in the block of ``came_back(command, correlation_id)``, or
    dropped if the block gets True.
    """
    route = ROUTES[command_type]
    name = route.task
    # Known to the process: a message says itself which queue it was put into, and could name any.
    queue = app.takes_from or route.queue

    def run(task: Task[Any, Any], command: Any = None) -> None:  # None, so that a message without a command is refused
        headers = task.request.headers or {}
        correlation_id = str(headers.get(CORRELATION_HEADER, "none"))
        started = time.perf_counter()
        outcome = TaskOutcome.ERROR
        with structlog.contextvars.bound_contextvars(task=name, correlation_id=correlation_id):
            try:
                try:
                    parsed = read_versioned(command_type, command, remedy=REMEDY)
                except (UnknownSchemaError, DamagedObjectError) as error:
                    outcome = TaskOutcome.REFUSED
                    log.error("message_refused", reason=str(error))  # noqa: TRY400 - the reason needs no traceback
                    return
                try:
                    check_message(app.keyring, parsed, command, correlation_id, headers.get(SIGNATURE_HEADER))
                except SignatureError as error:
                    outcome = TaskOutcome.FORGED
                    log.error("message_forged", reason=str(error))  # noqa: TRY400 - the reason needs no traceback
                    return
                structlog.contextvars.bind_contextvars(**parsed.model_dump(include=_NAMED_IN_LOGS))
                redelivered = (task.request.delivery_info or {}).get("redelivered")
                if redelivered:
                    TASKS_CAME_BACK.labels(name).inc()
                with (
                    traced_task(name, parsed, correlation_id),
                    came_back(parsed, correlation_id) if redelivered else nullcontext(False) as given_up,
                ):
                    if given_up:
                        outcome = TaskOutcome.GIVEN_UP
                        return
                    handle(parsed, correlation_id)
                outcome = TaskOutcome.OK
            except SystemExit:
                outcome = TaskOutcome.INTERRUPTED
                log.warning("task_interrupted")
                raise
            except MemoryError as error:
                log.exception("task_failed")
                # For an error of this type Celery ends the whole worker, with the tasks of its other processes.
                raise RuntimeError(f"{type(error).__name__}: {error}") from error
            except Exception:
                log.exception("task_failed")
                raise
            finally:
                seconds = time.perf_counter() - started
                TASK_SECONDS.labels(name, queue, outcome).observe(seconds)
                log.debug("task_done", outcome=outcome, seconds=round(seconds, 4))
                structlog.contextvars.unbind_contextvars(*_NAMED_IN_LOGS)

    export_task(name, queue)
    # Not shared: Celery would otherwise add the task to every app of the process.
    app.task(name=name, bind=True, shared=False)(run)
