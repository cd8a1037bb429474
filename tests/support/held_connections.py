"""A server that serves in a thread as its process would, and clients that hold connections to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import uvicorn

from fedface_core.http_server.connections import Pace

QUICK_PACE = Pace(send_seconds=0.5, send_bytes=10_000, read_seconds=0.6)


@contextmanager
def serving(serve: Callable[[], None]) -> Iterator[uvicorn.Server]:
    """Call ``serve``, which runs uvicorn, in a thread until the end of the block. Gives uvicorn's server."""
    servers: list[uvicorn.Server] = []

    def run(app: Any, **settings: Any) -> None:
        servers.append(uvicorn.Server(uvicorn.Config(app, **settings)))
        servers[0].run()

    thread = threading.Thread(target=serve)
    with patch.object(uvicorn, "run", run):
        thread.start()
        while not (servers and servers[0].started):
            assert thread.is_alive(), "the server does not start"
            time.sleep(0.01)
    try:
        yield servers[0]
    finally:
        servers[0].should_exit = True
        thread.join()


def port_of(server: uvicorn.Server) -> int:
    """Where a server listens."""
    return int(server.servers[0].sockets[0].getsockname()[1])


def cut_after(connection: socket.socket, part: bytes, most: float = 3.0) -> float:
    """Send a part every 50 ms until the server cuts the connection; returns after how many seconds it did."""
    began = time.monotonic()
    connection.settimeout(0.05)
    while time.monotonic() - began < most:
        try:
            connection.sendall(part)
            if connection.recv(4096) == b"":
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        pytest.fail("the server still holds the connection")
    return time.monotonic() - began


def connected(port: int) -> socket.socket:
    """A connection that the server has taken."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10.0)
    time.sleep(0.02)
    return connection


def answer_of(connection: socket.socket, path: str = "/") -> bytes:
    """What the server sends until it closes the connection; empty if it closed it at once."""
    received = b""
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        while data := connection.recv(4096):
            received += data
    except ConnectionError:
        return b""
    return received
