"""Kombu's Redis transport, for a worker that outlives its broker's restart.

A worker that loses the broker closes its channel, and kombu then puts back what is not acknowledged, through a connection
that it may have let go already: an AttributeError that nobody expects, which ends the worker. Here such messages are left
where they are, among the unacknowledged; any worker puts them back once the visibility timeout has passed.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class QoS(redis.QoS):
    """What was delivered and not yet acknowledged."""

    def restore_unacked(self, client: Any = None) -> None:
        """Put it back on its queue, where there is still a connection to do it through."""
        if self.channel.connection.client is None:
            assert self._delivered is not None, "kept from the first delivery on"
            self._delivered.clear()
            return
        super().restore_unacked(client)


class Channel(redis.Channel):
    """A channel with that."""

    QoS = QoS


class Transport(redis.Transport):
    """A transport of such channels."""

    Channel = Channel
