"""A scrape is answered, and who only holds a connection to the metrics is cut, or not served at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter, make_wsgi_app

from fedface_core.runtime.metrics_server import SCRAPE_SECONDS, MetricsServer
from support.held_connections import answer_of, connected, cut_after

MOST = 3
SOON = 2.0
"""Long beside a scrape, on a busy machine too."""


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Of a server with the metrics of one counter, which cuts a connection after so many seconds."""
    registry = CollectorRegistry()
    Counter("seen", "Seen.", registry=registry).inc(3)
    with (
        structlog.testing.capture_logs(),
        MetricsServer("127.0.0.1", 0, make_wsgi_app(registry), most=MOST, seconds=request.param) as server,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def scraped(port: int) -> bytes:
    with closing(connected(port)) as connection:
        return answer_of(connection, "/metrics")


@pytest.mark.parametrize("port", [SOON], indirect=True)
def test_a_client_that_sends_a_byte_now_and_then_is_cut_while_others_are_served(port: int) -> None:
    with closing(connected(port)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
        assert b"seen_total 3.0" in scraped(port)
        cut_after(slow, b"x", most=30.0)


@pytest.mark.parametrize("port", [SCRAPE_SECONDS], indirect=True)
def test_a_connection_too_many_is_closed_and_there_is_room_again(port: int) -> None:
    with ExitStack() as held:
        for _ in range(MOST):
            held.enter_context(closing(connected(port)))
        assert scraped(port) == b""
        silent = held.enter_context(closing(connected(port)))
        assert silent.recv(1) == b""
    while not (answer := scraped(port)):
        pass
    assert b"seen_total 3.0" in answer


def test_a_scrape_of_prometheus_ends_before_it_is_cut() -> None:
    assert SCRAPE_SECONDS >= 10.0, "its default"
