"""Connections above the capacity are answered with a problem, or closed, and none that says nothing stays."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
import structlog
import uvicorn
from starlette.responses import PlainTextResponse

from fedface_control.api import connections
from fedface_control.api.capacity import Capacity
from fedface_control.api.connections import protocol_within

CAPACITY = Capacity(connections=4, event_streams=2, threads=2, backlog=3)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where a server of this capacity listens."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    http = protocol_within(CAPACITY)
    config = uvicorn.Config(
        PlainTextResponse("fine"), port=0, http=http, backlog=CAPACITY.backlog, log_config=None, ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    with structlog.testing.capture_logs():
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        thread.join()


def connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10.0)
    time.sleep(0.02)  # until the server has taken it
    return connection


def answer_of(connection: socket.socket) -> bytes:
    """What the server sends until it closes the connection; empty if it closed it at once."""
    received = b""
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
        while data := connection.recv(4096):
            received += data
    except ConnectionError:
        return b""
    return received


def test_a_connection_too_many_is_told_when_to_come_again(port: int) -> None:
    with ExitStack() as held:
        silent = [held.enter_context(closing(connected(port))) for _ in range(4)]
        head, _, body = answer_of(held.enter_context(closing(connected(port)))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"content-type: application/problem+json" in head.lower()
        assert b"retry-after: 5" in head.lower()
        assert b"connection: close" in head.lower()
        problem = json.loads(body)
        assert (problem["title"], problem["status"]) == ("Busy", 503)
        assert problem["detail"] == "the API has as many connections as it can serve; try again in 5 seconds"
        assert answer_of(silent[0]).startswith(b"HTTP/1.1 200 ")


def test_if_too_many_wait_for_their_refusal_the_next_is_closed(port: int) -> None:
    with ExitStack() as held:
        for _ in range(CAPACITY.connections + CAPACITY.backlog):
            held.enter_context(closing(connected(port)))
        assert answer_of(held.enter_context(closing(connected(port)))) == b""


def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    with ExitStack() as held:
        silent = [held.enter_context(closing(connected(port))) for _ in range(4)]
        silent[0].sendall(b"GET / HTTP/1.1\r\nHost: a")  # and no more
        for connection in silent:
            assert connection.recv(4096) == b""
        assert answer_of(held.enter_context(closing(connected(port)))).startswith(b"HTTP/1.1 200 ")
