"""The HTTP server of a worker's metrics: a thread for each scrape, and bounds for who only holds a connection to it.

A worker does without a web framework, so this is the standard library's server for the library's WSGI application.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog

from fedface_core.domain.errors import InvalidInputError

log = structlog.get_logger(__name__)

MOST_SCRAPES: Final = 16
"""At once. One Prometheus or two ask, every few seconds."""
SCRAPE_SECONDS: Final = 10.0
"""How long one may take, from its connection to its answer. Prometheus itself waits no longer, unless it is told to."""


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log no request."""


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Serves ``app`` at this host and port; by TLS if it has a certificate and its key.

    A connection above ``most`` is closed, and so is one that is older than ``seconds``, whatever it is at: TLS handshake,
    request or answer. `InvalidInputError` if nothing can listen there, for example because another process does.
    """

    daemon_threads = True

    def __init__(
        self,
        host: str,
        port: int,
        app: Any,
        certificate: Path | None = None,
        key: Path | None = None,
        *,
        most: int = MOST_SCRAPES,
        seconds: float = SCRAPE_SECONDS,
    ) -> None:
        try:
            self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            super().__init__((host, port), _SilentHandler)
        except OSError as error:
            where = f"FEDFACE_METRICS_HOST, FEDFACE_METRICS_PORT: cannot listen at {host}:{port}"
            raise InvalidInputError(f"{where}: {error.strerror}") from error
        self.set_app(app)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            # The hands are shaken in the thread of the client, when its first byte is read.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._most = most
        self._seconds = seconds
        self._began: dict[Any, float] = {}

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - of the standard library
        """Whether there is room for one more connection."""
        return len(self._began) < self._most

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread."""
        self._began[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection."""
        self._began.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut the connections that are too old. The server calls this every half second at least."""
        too_old = time.monotonic() - self._seconds
        for request in [request for request, began in self._began.copy().items() if began < too_old]:
            with suppress(OSError):  # it has just been closed
                # Not the method of a TLS socket, which would take away what its thread reads with.
                socket.socket.shutdown(request, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - of the standard library
        """Log in a line that a client has gone, was cut, or speaks no TLS. The library prints a traceback."""
        log.info("scrape_failed", client=client_address[0], error=repr(sys.exception())[:300])
