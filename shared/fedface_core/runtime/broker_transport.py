"""Kombu's Redis transport, corrected so that a worker survives whatever its broker does, and loses no message by it.

*A lost channel.* A worker that loses the broker closes its channel and opens a new one. Later it uses the closed channel
again, to acknowledge the task that was running, or to put back messages that it has not started. Kombu then raises an
AttributeError, which ends the worker. The channel here raises an error about a lost connection instead, which kombu and
Celery expect and log. The message is delivered again, at the latest after the visibility timeout.

*A Redis that answers and refuses writes*: a replica after a failover, one without its own replicas, a full disk, a full
memory. Each new channel checks the server first. So Celery waits for it with growing pauses, as for one that is away, and
takes no message that it could not record. A server that may evict keys is waited for in the same way.

*An acknowledgement that fails* while the channel goes on. Kombu logs this and keeps the message's place; a worker whose
places are all kept so takes no more messages, for ever. Here the channel fails before its next message, and Celery connects
again.

*A message that was taken and could not be recorded* would be lost. It goes back into its queue with the next channel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kombu.transport import redis
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from fedface_core.domain.errors import EvictingLedgerError
from fedface_core.runtime.redis_server import check_server

_unrecorded: Final[deque[tuple[str, Any]]] = deque()
"""Queue and message of what this process has taken and could not record."""


class QoS(redis.QoS):
    """Kombu's list of the messages that were taken and not acknowledged. No message is lost, and no place in the list."""

    _failure: RedisError | None = None

    def append(self, message: Any, delivery_tag: str) -> None:
        """Record a message that was taken."""
        try:
            super().append(message, delivery_tag)
        except RedisError:
            _unrecorded.append((message.delivery_info["routing_key"], message.serializable()))
            raise

    def can_consume(self) -> bool:
        """Whether another message may be taken. The consumer asks this before each wait for messages.

        `redis.exceptions.ConnectionError`, after which Celery connects again, if the broker did not take an acknowledgement.
        """
        if self._failure is not None:
            raise RedisConnectionError(f"the broker did not take an acknowledgement: {self._failure}")
        return bool(super().can_consume())

    def ack(self, delivery_tag: str) -> None:
        """Record that a message is done. `redis.exceptions.ConnectionError` if that fails."""
        with self._noted_failure():
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Record that a message is not wanted, or put it back. `redis.exceptions.ConnectionError` if that fails."""
        with self._noted_failure():
            super().reject(delivery_tag, requeue=requeue)

    @contextmanager
    def _noted_failure(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            self._failure = error
            raise RedisConnectionError(str(error)) from error  # which kombu logs, and Celery's loop goes on to its next step


class Channel(redis.Channel):
    """A channel to a server that takes writes and never evicts.

    It raises `redis.exceptions.ConnectionError` if it is used after its connection was lost.
    """

    QoS = QoS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            check_server(self.client)
            while _unrecorded:
                queue, message = _unrecorded[0]
                self.client.rpush(queue, dumps(message))  # where the next message is taken
                _unrecorded.popleft()
        except Exception:
            self.close()
            raise

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was lost, and another has taken its place")
        return super()._connparams(asynchronous)  # type: ignore[misc]  # missing in the stubs


class Transport(redis.Transport):
    """Kombu's Redis transport with the `Channel` of this module."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, EvictingLedgerError)
