"""The connections to a server: no more than its capacity, and none whose client only holds it.

Uvicorn's own limit counts connections only once they have sent a request, and it waits without end for the rest of a head or
of a body, and for a client that does not read its answer. So whoever sends nothing, or a byte now and then, could take all
files that the process may open, and then nobody is served.
"""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import h11
import structlog
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from fedface_core.http_server.capacity import Capacity

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Pace:
    """How slow a client may be.

    While the server waits for a head or for a body, each ``send_seconds`` must bring ``send_bytes``, or the whole of it.
    While it waits for the client to read, each ``read_seconds`` must take a byte: the system buffers megabytes, and so it
    hides for a while that a client on a slow line reads.
    """

    send_seconds: float = 10.0
    send_bytes: int = 10_000
    read_seconds: float = 60.0


DEFAULT_PACE = Pace()


class Awaited(Enum):
    """What a connection waits for."""

    HEAD = "the head of a request"
    BODY = "the body of a request"
    READING = "the client to read the answer"


@dataclass(frozen=True)
class _Look:
    """What a connection waited for at one moment: which thing, in which request, and how many bytes had come of it."""

    awaited: Awaited
    request: RequestResponseCycle | None
    moved: int
    at: float

    def is_same_wait(self, later: _Look) -> bool:
        return self.awaited is later.awaited and self.request is later.request and self.moved <= later.moved


def protocol_within(capacity: Capacity, refusal: ASGIApp, pace: Pace = DEFAULT_PACE) -> type[H11Protocol]:
    """Uvicorn's HTTP/1.1 for a server of this capacity, whose clients keep this pace.

    A connection above it is answered by ``refusal``, which has to close it. If more than a few of these wait for their
    answer, the next ones are closed without one. A connection whose client is slower than ``pace`` is closed.
    """

    class BoundedProtocol(H11Protocol):
        _next_look: TimerHandle | None = None
        _look: _Look | None = None
        _received = 0

        def connection_made(self, transport: BaseTransport) -> None:
            super().connection_made(cast("Any", transport))
            above = len(self.connections) - capacity.connections
            if above > capacity.backlog:
                self.transport.close()
                return
            if above > 0:
                log.warning("connection_refused", because="too many connections", most=capacity.connections)
                self.app = refusal
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._next_look is not None:
                self._next_look.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._received += len(data)
            super().data_received(data)

        def _watch(self) -> None:
            """Look now and then whether the client moves on, and cut the connection if it does not."""
            now = self._now()
            before = self._look
            if now is None or before is None or not before.is_same_wait(now):
                self._look = now
            elif now.at - before.at >= _seconds(pace, now.awaited):
                if now.moved - before.moved < (1 if now.awaited is Awaited.READING else pace.send_bytes):
                    log.warning("slow_client_cut", waited_for=now.awaited.value, client=self.client and self.client[0])
                    self.transport.abort()  # closing would wait until the client has read what is left
                    return
                self._look = now
            self._next_look = self.loop.call_later(pace.send_seconds, self._watch)

        def _now(self) -> _Look | None:
            """What the connection waits for its client for, or None if it does not: the server works, or reads first."""
            at = self.loop.time()
            if self.flow.write_paused:
                return _Look(Awaited.READING, self.cycle, -self.transport.get_write_buffer_size(), at)
            if self.conn.their_state is h11.IDLE:
                return _Look(Awaited.HEAD, self.cycle, self._received, at)
            held = self.flow.read_paused or self.conn.they_are_waiting_for_100_continue
            if self.conn.their_state is h11.SEND_BODY and not held:
                return _Look(Awaited.BODY, self.cycle, self._received, at)
            return None

    return BoundedProtocol


def _seconds(pace: Pace, awaited: Awaited) -> float:
    return pace.read_seconds if awaited is Awaited.READING else pace.send_seconds
