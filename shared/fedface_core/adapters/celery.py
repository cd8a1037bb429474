"""Commands as Celery messages on a Redis broker. They name their tasks, so that the publisher imports no service.

Celery makes each message, and we put it where kombu's Redis transport would: in the list of the queue's name, many in one
round trip. `Celery.send_task` takes a round trip, and a third of a millisecond, for each (docs/adr/0012).
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Sequence
from itertools import groupby

from celery import Celery
from pydantic import BaseModel

from fedface_core.adapters.redis.connection import TIMEOUT_SECONDS, connect, redis_faults
from fedface_core.contracts.tasks import CORRELATION_HEADER, ROUTES

_MESSAGES_A_TRIP = 500  # a bound on what is held in memory, and on how long the broker is busy with us


class CeleryPublisher:
    """`TaskPublisher` on the Redis broker of ``app``. Each attempt to reach it waits ``timeout_seconds`` at most."""

    def __init__(self, app: Celery, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._app = app
        # Its waits and retries are bounded: whoever publishes has an outcome in seconds, and the sweep repeats what is lost.
        self._broker = connect(app.conf.broker_url, timeout_seconds=timeout_seconds)

    def publish(self, command: BaseModel, *, correlation_id: str) -> None:
        """See `TaskPublisher.publish`."""
        self.publish_all([command], correlation_id=correlation_id)

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """See `TaskPublisher.publish_all`. A round trip takes up to 500 commands, if they are for one queue."""
        with redis_faults(self._broker):
            for first in range(0, len(commands), _MESSAGES_A_TRIP):
                trip = commands[first : first + _MESSAGES_A_TRIP]
                for queue, together in groupby(trip, key=lambda command: ROUTES[type(command)].queue):
                    self._broker.lpush(queue, *(self._message(command, correlation_id) for command in together))

    def queue_depth(self, queue: str) -> int:
        """See `TaskPublisher.queue_depth`. Celery keeps a queue in the Redis list of its name."""
        with redis_faults(self._broker):
            depth = self._broker.llen(queue)
        assert isinstance(depth, int), "a synchronous client answers at once"
        return depth

    def _message(self, command: BaseModel, correlation_id: str) -> str:
        """The message that `Celery.send_task` would put into the queue's list for this command; a test compares them."""
        route = ROUTES[type(command)]
        # What Celery would show of the arguments in its own logs, which nobody reads, is left out: it takes time to make.
        message = self._app.amqp.as_task_v2(
            str(uuid.uuid4()),
            route.task,
            kwargs={"command": command.model_dump(mode="json")},
            argsrepr="()",
            kwargsrepr="{}",
            ignore_result=True,
        )
        delivery = {
            "delivery_mode": 2,  # persistent
            "delivery_info": {"exchange": "", "routing_key": route.queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        }
        return json.dumps(
            {
                "body": b64encode(json.dumps(message.body).encode()).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": message.headers | {CORRELATION_HEADER: correlation_id},
                "properties": message.properties | delivery,
            }
        )
