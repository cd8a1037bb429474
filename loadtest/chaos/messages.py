"""What a broker may do to messages: deliver one twice, or late. Celery keeps each queue in the Redis list of its name."""

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

_SWEEP = ROUTES[Sweep].task  # it comes twice a second and expires: to duplicate or delay one would prove nothing


class BrokerUnavailableError(Exception):
    """The broker does not answer or refuses writes, which the adversary itself may have caused."""


@dataclass(frozen=True)
class Message:
    """A message that waits in ``queue``; ``raw`` is the entry of the Redis list."""

    queue: str
    raw: bytes

    @property
    def task(self) -> str:
        """The name of the message's Celery task."""
        return str(json.loads(self.raw)["headers"]["task"])


class Messages:
    """The queues of the broker at ``url``; ``draws`` chooses messages. Methods raise `BrokerUnavailableError`."""

    def __init__(self, url: str, draws: random.Random) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=2.0, retry=Retry(NoBackoff(), 1))
        self._draws = draws

    def waiting(self) -> list[Message]:
        """All messages that wait in a queue, without the sweeps."""
        with self._mapped_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for queue in QUEUES:
                pipeline.lrange(queue, 0, -1)
            lists = pipeline.execute()
        messages = [Message(queue, raw) for queue, entries in zip(QUEUES, lists, strict=True) for raw in entries]
        return [message for message in messages if message.task != _SWEEP]

    def duplicate(self) -> Message | None:
        """Put a copy of a random message at either end of its queue. None if no message waits."""
        waiting = self.waiting()
        if not waiting:
            return None
        message = self._draws.choice(waiting)
        self.put(message)
        return message

    def take(self) -> Message | None:
        """Take a random message out of its queue. None if no message waits, or if a worker has just taken it."""
        waiting = self.waiting()
        if not waiting:
            return None
        message = self._draws.choice(waiting)
        with self._mapped_errors():
            return message if self._redis.lrem(message.queue, 1, message.raw) else None  # type: ignore[arg-type]

    def put(self, message: Message) -> None:
        """Put a message at either end of its queue."""
        push = self._draws.choice((self._redis.lpush, self._redis.rpush))
        with self._mapped_errors():
            push(message.queue, message.raw)

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise BrokerUnavailableError from error
        except redis.ResponseError as error:
            if not str(error).startswith("NOREPLICAS"):
                raise
            raise BrokerUnavailableError from error
