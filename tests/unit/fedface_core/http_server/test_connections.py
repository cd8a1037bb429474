"""Connections above the capacity are answered by a refusal, or closed, and none whose client only holds it stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TypeVar

import pytest
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from fedface_core.http_server.capacity import Capacity
from fedface_core.http_server.connections import DEFAULT_PACE, Pace, protocol_within
from fedface_core.http_server.serve import Listening, serve
from support.held_connections import QUICK_PACE, answer_of, connected, port_of, serving
from support.virtual_time import Line, in_virtual_time

Result = TypeVar("Result")
CAPACITY = Capacity(connections=4, event_streams=2, threads=2, backlog=3)
REFUSAL = PlainTextResponse("too many\n", 503, {"Retry-After": "5", "Connection": "close"})
LARGE_ANSWER = 2**20
THINKING_SECONDS = 100.0
"""Longer than a client may take for anything."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and says how long it was. At /large, answers with `LARGE_ANSWER`; at /thinking, thinks for a while."""
    size = 0
    with suppress(ClientDisconnect):
        async for chunk in Request(scope, receive).stream():
            size += len(chunk)
    if scope["path"] == "/thinking":
        await asyncio.sleep(THINKING_SECONDS)
    text = "." * LARGE_ANSWER if scope["path"] == "/large" else f"fine, {size} bytes"
    await PlainTextResponse(text)(scope, receive, send)


@contextmanager
def served(pace: Pace) -> Iterator[int]:
    """Where a server of this capacity listens, whose clients keep this pace."""
    with (
        structlog.testing.capture_logs(),
        serving(lambda: serve(app, Listening("127.0.0.1", 0), CAPACITY, REFUSAL, 1, pace)) as server,
    ):
        yield port_of(server)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server with the default pace: however slow this machine is, it cuts nobody who only holds a connection here."""
    with served(DEFAULT_PACE) as port:
        yield port


@pytest.fixture(scope="module")
def quick_port() -> Iterator[int]:
    """Of a server that cuts its clients soon."""
    with served(QUICK_PACE) as port:
        yield port


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


def test_a_connection_that_says_nothing_is_closed(quick_port: int) -> None:
    with ExitStack() as held:
        silent = [held.enter_context(closing(connected(quick_port))) for _ in range(4)]
        silent[0].sendall(b"GET / HTTP/1.1\r\nHost: a")  # and no more
        for connection in silent:
            assert connection.recv(4096) == b""
        assert answer_of(held.enter_context(closing(connected(quick_port)))).startswith(b"HTTP/1.1 200 ")


Client = Callable[[Line], Awaitable[Result]]
PROTOCOL = protocol_within(CAPACITY, REFUSAL)
LOOK = DEFAULT_PACE.send_seconds
"""How often a server looks at a connection."""


def with_a_line(client: Client[Result]) -> Result:
    """What a client of a server with the default pace returns. Its minutes pass at once."""
    with structlog.testing.capture_logs():
        return in_virtual_time(app, PROTOCOL, client)


@pytest.mark.parametrize(
    ("beginning", "looks"),
    [
        ([], 1),
        ([b"GET / HTTP/1.1\r\nHost: api\r\n"], 1),
        ([b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: 100000\r\n\r\n"], 2),
        ([b"PUT / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"], 2),
        ([b"GET / HTTP/1.1\r\nHost: api\r\n\r\n", b"GET / HTTP/1.1\r\nHost: api\r\n"], 2),
    ],
    ids=["nothing", "head", "body", "chunk", "head of a second request"],
)
@pytest.mark.parametrize("part", [b"", b"x"], ids=["silent", "slow"])
def test_a_client_that_sends_nothing_or_a_byte_now_and_then_is_cut(beginning: list[bytes], looks: int, part: bytes) -> None:
    """The first look sees nothing yet; what the second one sees for the first time is given as long again."""

    async def slow(line: Line) -> float:
        for sent in beginning:
            line.send(sent)
            await asyncio.sleep(0.01)
        return await line.sends_until_cut(part, every=0.9)

    assert with_a_line(slow) == looks * LOOK


def test_a_client_that_does_not_read_its_answer_is_cut() -> None:
    async def deaf(line: Line) -> tuple[float, bytes]:
        line.reads = False
        line.send(b"GET /large HTTP/1.1\r\nHost: api\r\n\r\n")
        await asyncio.sleep(1000)
        assert line.cut_at is not None
        return line.cut_at, line.received

    assert with_a_line(deaf) == (LOOK + DEFAULT_PACE.read_seconds, b"")


def test_a_client_that_reads_slowly_gets_all() -> None:
    """A byte now and then, for as long as a server waits three times for one that reads nothing, and then the rest."""

    async def slow(line: Line) -> bytes:
        line.reads = False
        line.send(b"GET /large HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(DEFAULT_PACE.read_seconds * 0.8)
            assert line.read(1) == 1
        line.reads = True
        line.read(2 * LARGE_ANSWER)
        await asyncio.sleep(1)
        return line.received

    assert len(with_a_line(slow)) > LARGE_ANSWER


PUT_SECONDS = 6 * LOOK


def put_at(bytes_a_second: float) -> bytes | None:
    """What the server answers to a body that takes a minute to be sent; None if it cuts its client."""
    part = bytes(int(bytes_a_second))

    async def steady(line: Line) -> bytes | None:
        line.send(b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n" % (PUT_SECONDS * len(part)))
        for _ in range(int(PUT_SECONDS)):
            await asyncio.sleep(1)
            if line.cut_at is not None:
                return None
            line.send(part)
        await asyncio.sleep(1)
        return line.received

    return with_a_line(steady)


def test_a_client_that_sends_at_the_least_pace_is_served_and_a_slower_one_is_cut() -> None:
    least = DEFAULT_PACE.send_bytes / DEFAULT_PACE.send_seconds
    served = put_at(1.2 * least)
    assert served is not None
    assert f"fine, {int(PUT_SECONDS * int(1.2 * least))} bytes".encode() in served
    assert put_at(0.8 * least) is None


def test_a_client_that_waits_for_its_answer_is_not_cut() -> None:
    """The server thinks, so whoever waits for it owes nothing."""

    async def patient(line: Line) -> bytes:
        line.send(b"GET /thinking HTTP/1.1\r\nHost: api\r\n\r\n")
        await asyncio.sleep(THINKING_SECONDS + 1)
        return line.received

    assert with_a_line(patient).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_sends_small_requests_for_long_is_not_cut() -> None:
    async def busy(line: Line) -> int:
        for _ in range(20):
            line.send(b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: 1\r\n\r\n")
            await asyncio.sleep(0.3 * LOOK)
            line.send(b"x")
            await asyncio.sleep(0.01)
        return line.received.count(b"fine, 1 bytes")

    assert with_a_line(busy) == 20


def test_the_pace_that_is_asked_for_is_one_that_any_line_can_keep() -> None:
    assert DEFAULT_PACE.send_bytes / DEFAULT_PACE.send_seconds <= 1_000
