"""The connections to the API: no more than its capacity, and none that says nothing.

Uvicorn's own limit counts connections only once they have sent a request. So whoever connects and sends nothing could take
all files that the process may open, and then nobody is served.
"""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from typing import Any, cast

import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from fedface_control.api.capacity import Capacity
from fedface_control.api.problems import busy_response

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 10.0  # for a client to send the head of its first request


def protocol_within(capacity: Capacity) -> type[H11Protocol]:
    """Uvicorn's HTTP/1.1 for a server of this capacity.

    A connection above it is answered with a problem of status 503. If more than a few of these wait for their answer, the
    next ones are closed without one. A connection that has sent no request after `REQUEST_SECONDS` is closed.
    """

    class BoundedProtocol(H11Protocol):
        _first_request: TimerHandle | None = None

        def connection_made(self, transport: BaseTransport) -> None:
            super().connection_made(cast("Any", transport))
            above = len(self.connections) - capacity.connections
            if above > capacity.backlog:
                self.transport.close()
                return
            if above > 0:
                log.warning("connection_refused", because="too many connections", most=capacity.connections)
                self.app = _refuse
            self._first_request = self.loop.call_later(REQUEST_SECONDS, self._close_if_silent)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._first_request is not None:
                self._first_request.cancel()
            super().connection_lost(exc)

        def _close_if_silent(self) -> None:
            if self.cycle is None:
                self.timeout_keep_alive_handler()

    return BoundedProtocol


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await busy_response("the API has as many connections as it can serve")(scope, receive, send)
