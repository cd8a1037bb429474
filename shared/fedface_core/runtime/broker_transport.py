"""Kombu's Redis transport, corrected so that a worker survives a restart of its broker.

A worker that loses the broker closes its channel and opens a new one. Later it uses the closed channel again, to acknowledge
the task that was running, or to put back messages that it has not started. Kombu then raises an AttributeError, which ends
the worker. The channel here raises an error about a lost connection instead, which kombu and Celery expect and log. The
message is delivered again, at the latest after the visibility timeout.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    """A channel that raises `redis.exceptions.ConnectionError` if it is used after its connection was lost."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was lost, and another has taken its place")
        return super()._connparams(asynchronous)  # type: ignore[misc]  # missing in the stubs


class Transport(redis.Transport):
    """Kombu's Redis transport with the `Channel` of this module."""

    Channel = Channel
