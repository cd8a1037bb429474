"""What a broker may do to messages: deliver one twice, or late. Celery keeps a queue in the Redis list of its name."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fedface_core.contracts.tasks import QUEUES, ROUTES
from fedface_core.domain.commands import Sweep

_SWEEP = ROUTES[Sweep].task  # comes twice a second and expires: twice or late, it proves nothing


class BrokerAwayError(Exception):
    """The broker does not answer, as an adversary has to expect."""


@dataclass(frozen=True)
class Message:
    """One waiting message, as it stands in its list."""

    queue: str
    raw: bytes

    @property
    def task(self) -> str:
        """The name of the Celery task it is for."""
        return str(json.loads(self.raw)["headers"]["task"])


class Messages:
    """The queues of the broker at ``url``; ``draw`` chooses. `BrokerAwayError` where it does not answer."""

    def __init__(self, url: str, draw: random.Random) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=2.0, retry=Retry(NoBackoff(), 1))
        self._draw = draw

    def waiting(self) -> list[Message]:
        """All that wait but sweeps."""
        with self._answering(), self._redis.pipeline(transaction=False) as pipeline:
            for queue in QUEUES:
                pipeline.lrange(queue, 0, -1)
            lists = pipeline.execute()
        found = [Message(queue, raw) for queue, raws in zip(QUEUES, lists, strict=True) for raw in raws]
        return [message for message in found if message.task != _SWEEP]

    def duplicate(self) -> Message | None:
        """Put a copy of a random message at either end of its queue. None where none waits."""
        waiting = self.waiting()
        if not waiting:
            return None
        message = self._draw.choice(waiting)
        self.put(message)
        return message

    def take(self) -> Message | None:
        """Take a random message out of its queue. None where none waits, or a worker was faster."""
        waiting = self.waiting()
        if not waiting:
            return None
        message = self._draw.choice(waiting)
        with self._answering():
            return message if self._redis.lrem(message.queue, 1, message.raw) else None  # type: ignore[arg-type]

    def put(self, message: Message) -> None:
        """Put a message at either end of its queue."""
        push = self._draw.choice((self._redis.lpush, self._redis.rpush))
        with self._answering():
            push(message.queue, message.raw)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise BrokerAwayError from error
