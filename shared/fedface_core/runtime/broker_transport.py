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

*A wrong clock.* Kombu dates each message when a worker takes it, and every worker puts back what is older than the
visibility timeout, both by its own clock: a worker whose clock is ahead would take away what other workers are at work on.
Here both go by the clock of the Redis server.

*A message that nobody can read.* Kombu and Celery believe what they take, and some of it would end the worker, again and
again. Here each message is read first (`fedface_core.runtime.received_message`); one that FedFace does not send is dropped
once, and kept among the dead letters.

*A message that says it came back*, which counts as the end of the process that had it, and in the end gives up its step.
Whoever may publish to a queue could write that. So a worker that puts a message back notes its id where only workers of this
queue may write, and a message that says so without a note is taken as a new one.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any, Final

from kombu.transport import redis
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from fedface_core.contracts.broker_keys import came_back_key
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.errors import EvictingLedgerError
from fedface_core.runtime.dead_letters import bury
from fedface_core.runtime.received_message import MessageFault, UnreadableMessageError, read_message
from fedface_core.runtime.redis_server import check_server

_unrecorded: Final[deque[tuple[str, Any]]] = deque()
"""Queue and message of what this process has taken and could not record."""

_DATE_BY_SERVER: Final = """
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], 'XX', time[1], ARGV[1])
"""


class QoS(redis.QoS):
    """Kombu's list of the messages that were taken and not acknowledged. No message is lost, and no place in the list.

    Messages are dated by the clock of the Redis server.
    """

    channel: Any  # the stubs lack `conn_or_acquire` and `visibility_timeout`
    _failure: RedisError | None = None

    @property
    def visibility_timeout(self) -> int:
        """The timeout as seen from this machine's clock. Kombu subtracts it from this clock, to find what is overdue."""
        with self.channel.conn_or_acquire() as client:
            seconds, _ = client.time()
        return int(self.channel.visibility_timeout + time.time() - seconds)

    def append(self, message: Any, delivery_tag: str) -> None:
        """Record a message that was taken."""
        try:
            super().append(message, delivery_tag)
        except RedisError:
            _unrecorded.append((message.delivery_info["routing_key"], message.serializable()))
            raise
        with self.channel.conn_or_acquire() as client:
            client.eval(_DATE_BY_SERVER, 1, self.unacked_index_key, delivery_tag)

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

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Put a message that was taken and not acknowledged back into its queue. One that cannot be read is dropped."""
        with self.channel.conn_or_acquire(client) as own:
            stored = own.hget(self.unacked_key, tag)
            if stored is not None and not self._is_message(stored, own):
                own.pipeline().zrem(self.unacked_index_key, tag).hdel(self.unacked_key, tag).execute()
                return
            super().restore_by_tag(tag, client=own, leftmost=leftmost)

    def _is_message(self, stored: bytes, client: Any) -> bool:
        """Whether kombu's record of a taken message can be read. If not, it is kept among the dead letters."""
        queue = ""
        try:
            message, _exchange, queue = _record_of_taken(stored)
            read_message(message, queue)
        except UnreadableMessageError as error:
            bury(client, queue, stored, error)
            return False
        return True

    @contextmanager
    def _noted_failure(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            self._failure = error
            raise RedisConnectionError(str(error)) from error  # which kombu logs, and Celery's loop goes on to its next step


def _record_of_taken(stored: bytes) -> tuple[bytes, str, str]:
    """Message, exchange and queue in kombu's record of a taken message. `UnreadableMessageError` if it is none."""
    try:
        message, exchange, queue = json.loads(stored)
        raw = json.dumps(message, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        reason = "the record of a taken message is not as kombu writes it"
        raise UnreadableMessageError(MessageFault.WRONG_FORM, reason) from error
    if queue not in QUEUES:
        raise UnreadableMessageError(MessageFault.UNKNOWN_TASK, "it was taken from a queue that FedFace does not have")
    return raw, exchange, queue


class Channel(redis.Channel):
    """A channel to a server that takes writes and never evicts.

    It raises `redis.exceptions.ConnectionError` if it is used after its connection was lost.
    """

    QoS = QoS
    # The stubs lack these.
    connection_errors: tuple[type[Exception], ...]
    _queue_cycle: Any
    _flush_brpop_reauth: Any

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

    def _brpop_read(self, **options: Any) -> bool:
        """Take the message that the broker has sent, and hand it to its consumer. `Empty` if there is none to be read."""
        try:
            taken = self.client.parse_response(self.client.connection, "BRPOP", **options)
        except self.connection_errors:
            self.client.connection.disconnect()  # the next wait connects again
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if not taken:
            raise Empty
        name, raw = taken
        queue = name.decode()
        self._queue_cycle.rotate(queue)
        try:
            message = read_message(raw, queue)
        except UnreadableMessageError as error:
            with self.conn_or_acquire() as client:
                bury(client, queue, raw, error)
            raise Empty from None
        self._check_that_it_came_back(message, queue)
        self.connection._deliver(message, queue)  # noqa: SLF001 - as kombu's own channel hands it on
        return True

    def _check_that_it_came_back(self, message: dict[str, Any], queue: str) -> None:
        """Leave the mark of a message that came back only if a worker of this queue has put it back."""
        delivery = message["properties"]["delivery_info"]
        if not delivery["redelivered"]:
            return
        try:
            with self.conn_or_acquire() as client:
                delivery["redelivered"] = bool(client.srem(came_back_key(queue), message["headers"]["id"]))
        except RedisError:
            _unrecorded.append((queue, message))
            raise

    def _do_restore_message(
        self, payload: dict[str, Any], exchange: str, routing_key: str, pipe: Any, leftmost: bool = False
    ) -> None:
        """Put a message back, and note that it was put back, in one step."""
        pipe.sadd(came_back_key(routing_key), payload["headers"]["id"])
        super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)  # type: ignore[misc]  # as above

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was lost, and another has taken its place")
        return super()._connparams(asynchronous)  # type: ignore[misc]  # missing in the stubs


class Transport(redis.Transport):
    """Kombu's Redis transport with the `Channel` of this module."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, EvictingLedgerError)
