"""Kombu's Redis transport, corrected so that a worker survives a restart of its broker, and may have a wrong clock.

A worker that loses the broker closes its channel and opens a new one. Later it uses the closed channel again, to acknowledge
the task that was running, or to put back messages that it has not started. Kombu then raises an AttributeError, which ends
the worker. The channel here raises an error about a lost connection instead, which kombu and Celery expect and log. The
message is delivered again, at the latest after the visibility timeout.

Kombu dates each message when a worker takes it, and every worker puts back what is older than the visibility timeout. Both
by its own clock: a worker whose clock is ahead would take away what other workers are at work on. Here both go by the clock
of the Redis server.
"""

from __future__ import annotations

import time
from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError

_DATE_BY_SERVER = """
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], 'XX', time[1], ARGV[1])
"""


class QoS(redis.QoS):
    """The messages that a worker has taken and not acknowledged, dated by the clock of the Redis server."""

    channel: Any  # the stubs lack `conn_or_acquire` and `visibility_timeout`

    def append(self, message: Any, delivery_tag: str) -> None:
        """Record a message that this worker has taken."""
        super().append(message, delivery_tag)
        with self.channel.conn_or_acquire() as client:
            client.eval(_DATE_BY_SERVER, 1, self.unacked_index_key, delivery_tag)

    @property
    def visibility_timeout(self) -> int:
        """The timeout as seen from this machine's clock. Kombu subtracts it from this clock, to find what is overdue."""
        with self.channel.conn_or_acquire() as client:
            seconds, _ = client.time()
        return int(self.channel.visibility_timeout + time.time() - seconds)


class Channel(redis.Channel):
    """A channel that raises `redis.exceptions.ConnectionError` if it is used after its connection was lost."""

    QoS = QoS

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was lost, and another has taken its place")
        return super()._connparams(asynchronous)  # type: ignore[misc]  # missing in the stubs


class Transport(redis.Transport):
    """Kombu's Redis transport with the `Channel` of this module."""

    Channel = Channel
