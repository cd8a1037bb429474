"""The console for tests: in this process over a real control API, or served on a port for a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_console.app import create_app as create_console
from fedface_console.control_api import connection_to
from fedface_console.settings import ConsoleSettings
from fedface_control.api.app import create_app as create_control
from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.ports import Ports
from support.api_by_hand import ByHand

Answer = Callable[[httpx.Request], httpx.Response]


def by_hand() -> tuple[ByHand, FastAPI]:
    """Runs that a test moves on by hand, and the control API over them."""
    clock = SystemClock()
    ports = Ports(ledger=MemoryLedger(clock), artifacts=MemoryArtifacts(), publisher=RecordingPublisher(), clock=clock)
    return ByHand("http://control", ports), create_control(ports, CollectorRegistry())


def console_over(control: FastAPI, **settings: object) -> TestClient:
    """The console over a control API in this process. It is the browser of one reader."""
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=control), base_url="http://control")
    return _browser(http, settings)


def console_answered_by(answer: Answer, **settings: object) -> TestClient:
    """The console over an API whose answers a function gives."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://control")
    return _browser(http, settings)


def _browser(http: httpx.AsyncClient, settings: dict[str, object]) -> TestClient:
    app = create_console(ConsoleSettings.model_validate(settings), http)
    return TestClient(app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False)


@contextmanager
def served_console(api_url: str, **settings: object) -> Iterator[str]:
    """The console over the API at a URL, served on a free port; its own URL."""
    given = ConsoleSettings.model_validate({"api_url": api_url} | settings)
    app = create_console(given, connection_to(given.api_url))
    config = uvicorn.Config(app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join()
