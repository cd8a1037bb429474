"""The process of the console bounds its connections, and cuts clients that only hold one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial

import pytest
import structlog

from fedface_console import __main__ as console
from fedface_core.http_server.connections import DEFAULT_PACE, Pace
from fedface_core.http_server.serve import serve
from support.held_connections import answer_of, connected, cut_after, port_of, serving

SOON = Pace(send_seconds=2.0)
"""Long beside a request, on a busy machine too."""


@pytest.fixture(scope="module", params=[DEFAULT_PACE])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Of the console, as its process serves it with four connections, for clients that keep this pace."""
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs():
        patch.setattr(console, "serve", partial(serve, pace=request.param))
        patch.setattr(console, "configure_logging", lambda *_: None)
        patch.setenv("FEDFACE_CONSOLE_PORT", "0")
        patch.setenv("FEDFACE_CONSOLE_CONNECTIONS", "4")
        with serving(console.main) as server:
            yield port_of(server)


@pytest.mark.parametrize("port", [SOON], indirect=True)
def test_a_client_that_sends_a_byte_now_and_then_is_cut_while_others_are_served(port: int) -> None:
    with closing(connected(port)) as slow:
        slow.sendall(b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        with closing(connected(port)) as honest:
            assert answer_of(honest, "/healthz").startswith(b"HTTP/1.1 200 ")
        cut_after(slow, b"x", most=30.0)
    with closing(connected(port)) as honest:
        assert answer_of(honest, "/healthz").startswith(b"HTTP/1.1 200 ")


def test_a_connection_too_many_is_told_when_to_come_again(port: int) -> None:
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(closing(connected(port)))
        head, _, body = answer_of(held.enter_context(closing(connected(port))), "/healthz").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in head.lower()
    assert body == b"The console has as many connections as it can serve. Try again in 5 seconds.\n"
