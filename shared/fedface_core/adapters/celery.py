"""The task publisher on a Redis broker. It names Celery tasks and imports no service.

Celery makes each message, and this module pushes it to the Redis list with the queue's name, as kombu's Redis transport
does, but many messages in one round trip. `Celery.send_task` takes a round trip for each message (ADR 12).
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Sequence
from itertools import groupby

from celery import Celery
from pydantic import BaseModel

from fedface_core.adapters.redis.connection import TIMEOUT_SECONDS, connect, translated_errors
from fedface_core.contracts.tasks import CORRELATION_HEADER, ROUTES, queue_of
from fedface_core.domain.errors import UnavailableError
from fedface_core.ports.publisher import WorkerPresence
from fedface_core.runtime.delayed_messages import MOST_WAITING, delay
from fedface_core.runtime.presence import workers_of
from fedface_core.signing.keys import Keyring, own_keys
from fedface_core.signing.messages import SIGNATURE_HEADER, signature_of

_DELAYED = uuid.UUID("4f1b5cde-6e0d-4a53-9d5c-0f8f6f1c2a77")  # any one; it names the ids of delayed messages
_MESSAGES_PER_ROUND_TRIP = 500  # a bound on the memory for messages, and on how long one request keeps the broker busy


class CeleryPublisher:
    """`TaskPublisher` on the Redis broker of ``app``. Each attempt to reach the broker waits ``timeout_seconds`` at most.

    Each message is signed with ``keyring``, by default with keys of this process alone. `InvalidInputError` if the broker's
    URL is no Redis URL.
    """

    def __init__(self, app: Celery, keyring: Keyring | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._app = app
        self._keyring = keyring or own_keys()
        # Waits and retries are bounded, so that every call ends within seconds. The sweep repeats commands that get lost.
        self._broker = connect(app.conf.broker_url, timeout_seconds=timeout_seconds)

    def publish(self, command: BaseModel, *, correlation_id: str) -> None:
        """Put one command into the queue that `fedface_core.contracts.tasks.queue_of` names.

        `SignatureError` if this service may not send it.
        """
        self.publish_all([command], correlation_id=correlation_id)

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """Put many commands, in order, into the queues that `fedface_core.contracts.tasks.queue_of` names. One
        round trip takes up to 500 commands for one queue.
        """
        with translated_errors(self._broker):
            for first in range(0, len(commands), _MESSAGES_PER_ROUND_TRIP):
                batch = commands[first : first + _MESSAGES_PER_ROUND_TRIP]
                for queue, group in groupby(batch, key=queue_of):
                    self._broker.lpush(queue, *(self._message(command, correlation_id) for command in group))

    def publish_later(self, command: BaseModel, *, correlation_id: str, seconds: float) -> None:
        """Have a command come into its queue after ``seconds``, once however often it is published."""
        queue = queue_of(command)
        message_id = str(uuid.uuid5(_DELAYED, f"{type(command).__name__} {command.model_dump_json()} {correlation_id}"))
        with translated_errors(self._broker):
            taken = delay(self._broker, queue, message_id, self._message(command, correlation_id), seconds)
        if not taken:
            raise UnavailableError(f"{MOST_WAITING} commands for the queue {queue} wait already; no more may")

    def queue_depth(self, queue: str) -> int:
        """How many messages wait in a queue. Celery keeps each queue in the Redis list with the queue's name."""
        with translated_errors(self._broker):
            depth = self._broker.llen(queue)
        assert isinstance(depth, int), "a synchronous client returns no awaitable"
        return depth

    def workers(self, queue: str) -> Sequence[WorkerPresence]:
        """The workers that have said within seconds that they take from a queue."""
        with translated_errors(self._broker):
            return workers_of(self._broker, queue)

    def _message(self, command: BaseModel, correlation_id: str) -> str:
        """The message that `Celery.send_task` would push for this command, signed. A test compares both."""
        route = ROUTES[type(command)]
        body = command.model_dump(mode="json")
        headers = {
            CORRELATION_HEADER: correlation_id,
            SIGNATURE_HEADER: signature_of(self._keyring, command, body, correlation_id),
        }
        # Celery's texts of the arguments, for its own logs, are left empty: nobody reads them, and they take time to make.
        message = self._app.amqp.as_task_v2(
            str(uuid.uuid4()),
            route.task,
            kwargs={"command": body},
            argsrepr="()",
            kwargsrepr="{}",
            ignore_result=True,
        )
        delivery = {
            "delivery_mode": 2,  # persistent
            "delivery_info": {"exchange": "", "routing_key": queue_of(command)},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        }
        return json.dumps(
            {
                "body": b64encode(json.dumps(message.body, allow_nan=False).encode()).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": message.headers | headers,
                "properties": message.properties | delivery,
            },
            allow_nan=False,
        )
