"""A process that serves one web application until SIGTERM, within the bounds of this package."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp

from fedface_core.http_server.capacity import Capacity
from fedface_core.http_server.connections import DEFAULT_PACE, Pace, protocol_within


@dataclass(frozen=True)
class Listening:
    """Where a server listens. It speaks TLS if it has a certificate and its key. A proxy strips ``root_path``, if any."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    root_path: str = ""


class PromptHandshakes(asyncio.SelectorEventLoop):
    """An event loop whose servers close a connection that has not finished its TLS handshake within `handshake_seconds`.

    Before that no protocol knows of the connection, so none can count it. asyncio itself waits for a minute.
    """

    handshake_seconds: ClassVar[float] = 10.0

    async def create_server(self, protocol_factory: Callable[[], asyncio.BaseProtocol], *args: Any, **named: Any) -> Any:
        """A server as asyncio makes it."""
        if named.get("ssl") is not None:
            named.setdefault("ssl_handshake_timeout", self.handshake_seconds)
        return await super().create_server(protocol_factory, *args, **named)


def serve(
    app: ASGIApp,
    at: Listening,
    capacity: Capacity,
    refusal: ASGIApp,
    graceful_seconds: int,
    pace: Pace = DEFAULT_PACE,
) -> None:
    """Serve ``app`` until SIGTERM, then give the requests under way ``graceful_seconds``.

    A connection above the capacity is answered by ``refusal``, which has to close it. One whose client is slower than
    ``pace`` is closed. The process exits if the server cannot listen.
    """
    uvicorn.run(
        app,
        host=at.host,
        port=at.port,
        root_path=at.root_path,
        ssl_certfile=at.certificate,
        ssl_keyfile=at.key,
        loop=f"{PromptHandshakes.__module__}:{PromptHandshakes.__name__}",
        http=protocol_within(capacity, refusal, pace),
        backlog=capacity.backlog,
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=graceful_seconds,
        access_log=False,
        server_header=False,
    )
