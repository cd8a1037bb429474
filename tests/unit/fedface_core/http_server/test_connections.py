"""Connections above the capacity are answered by a refusal, or closed, and none whose client only holds it stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest
import structlog
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from fedface_core.http_server.capacity import Capacity
from fedface_core.http_server.connections import DEFAULT_PACE
from fedface_core.http_server.serve import Listening, serve
from support.held_connections import QUICK_PACE as PACE
from support.held_connections import answer_of, connected, cut_after, port_of, serving
from support.servers import wait_for

CAPACITY = Capacity(connections=4, event_streams=2, threads=2, backlog=3)
REFUSAL = PlainTextResponse("too many\n", 503, {"Retry-After": "5", "Connection": "close"})
LARGE_ANSWER = 64 * 2**20
"""More bytes than the system buffers."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and says how long it was. At /large, answers with `LARGE_ANSWER`; at /thinking, thinks for a while."""
    size = 0
    with suppress(ClientDisconnect):
        async for chunk in Request(scope, receive).stream():
            size += len(chunk)
    if scope["path"] == "/thinking":
        await asyncio.sleep(0.8)
    text = "." * LARGE_ANSWER if scope["path"] == "/large" else f"fine, {size} bytes"
    await PlainTextResponse(text)(scope, receive, send)


@pytest.fixture(scope="module")
def server() -> Iterator[uvicorn.Server]:
    """A server of this capacity and this pace."""
    with (
        structlog.testing.capture_logs(),
        serving(lambda: serve(app, Listening("127.0.0.1", 0), CAPACITY, REFUSAL, 1, PACE)) as served,
    ):
        yield served


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    """Where it listens."""
    return port_of(server)


def test_a_connection_too_many_is_told_when_to_come_again(port: int) -> None:
    with ExitStack() as held:
        silent = [held.enter_context(closing(connected(port))) for _ in range(4)]
        head, _, body = answer_of(held.enter_context(closing(connected(port)))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in head.lower()
        assert body == b"too many\n"
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


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\nHost: api\r\n",
        b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: 100000\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
    ],
    ids=["head", "body", "chunk"],
)
def test_a_client_that_sends_a_byte_now_and_then_is_cut(port: int, beginning: bytes) -> None:
    with closing(connected(port)) as connection:
        connection.sendall(beginning)
        assert cut_after(connection, b"x") < 3 * PACE.send_seconds


def test_so_is_one_that_does_so_after_an_honest_request(port: int) -> None:
    with closing(connected(port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET / HTTP/1.1\r\nHost: api\r\n")
        assert cut_after(connection, b"x") < 4 * PACE.send_seconds


@pytest.mark.slow
def test_a_client_that_does_not_read_its_answer_is_cut(server: uvicorn.Server, port: int) -> None:
    wait_for("the connections of before to end", lambda: not server.server_state.connections)
    with closing(connected(port)) as connection:
        wait_for("the connection", lambda: bool(server.server_state.connections))
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: api\r\n\r\n")
        # A busy machine takes long to make the answer, and only then the server waits for us.
        wait_for("the server to cut it", lambda: not server.server_state.connections)
        size = 0
        with suppress(ConnectionError):
            while data := connection.recv(2**20):
                size += len(data)
        assert size < LARGE_ANSWER, "what the system had buffered, and no more"


@pytest.mark.slow
def test_a_client_that_reads_slowly_gets_all(port: int) -> None:
    with closing(connected(port)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
        size = 0
        while data := connection.recv(4 * 2**20):
            size += len(data)
            time.sleep(len(data) / (64 * 2**20))  # in all, longer than the server waits for one that does not read
        assert size > LARGE_ANSWER


@pytest.mark.slow
def test_a_client_that_sends_at_the_least_pace_is_served(port: int) -> None:
    """It takes several times as long as a client that brings nothing is given."""
    parts = 16
    part = bytes(int(PACE.send_bytes * 0.05 / PACE.send_seconds * 2))
    with closing(connected(port)) as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n" % (parts * len(part)))
        for _ in range(parts):
            connection.sendall(part)
            time.sleep(0.05)
        assert f"fine, {parts * len(part)} bytes".encode() in connection.recv(4096)


@pytest.mark.slow
def test_a_client_that_waits_for_its_answer_is_not_cut(port: int) -> None:
    """The server thinks, so whoever waits for it owes nothing."""
    with closing(connected(port)) as connection:
        connection.sendall(b"GET /thinking HTTP/1.1\r\nHost: api\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
def test_a_client_that_sends_small_requests_for_long_is_not_cut(port: int) -> None:
    with closing(connected(port)) as connection:
        for _ in range(8):
            connection.sendall(b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: 1\r\n\r\n")
            time.sleep(0.1)
            connection.sendall(b"x")
            answer = b""
            while not answer.endswith(b"fine, 1 bytes"):
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_the_pace_that_is_asked_for_is_one_that_any_line_can_keep() -> None:
    assert DEFAULT_PACE.send_bytes / DEFAULT_PACE.send_seconds <= 1_000
