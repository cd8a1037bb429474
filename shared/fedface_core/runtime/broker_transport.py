"""Kombu's Redis transport, for a worker that outlives its broker's restart.

A worker that loses the broker closes its channel and opens another. What it still wants of the old one, to acknowledge the
task that was running meanwhile or to put back what it had not begun, kombu tries through a connection that it has let go: an
AttributeError that nobody expects, which ends the worker. Here it is the lost connection that it is, which kombu and Celery
log and get over; the message comes again, at the latest once the visibility timeout has passed.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    """A channel that knows when it is closed."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was lost, and another has taken its place")
        return super()._connparams(asynchronous)  # type: ignore[misc]  # the stubs leave it out


class Transport(redis.Transport):
    """A transport of such channels."""

    Channel = Channel
