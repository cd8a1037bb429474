"""The console for tests: in this process over a real control API, or served on a port for a browser."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fedface_console.app import create_app as create_console
from fedface_console.settings import ConsoleSettings
from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.ports import Ports
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, ProcessSpec, responds_ok
from fedface_stack.local_ports import free_ports
from support.api_by_hand import ByHand
from support.control_fixtures import SharedApp
from support.oidc_issuer import SmallIssuer, client_of
from support.servers import running

Answer = Callable[[httpx.Request], httpx.Response]


def by_hand() -> tuple[ByHand, FastAPI]:
    """Runs that a test moves on by hand, and the control API over them."""
    clock = SystemClock()
    ports = Ports(ledger=MemoryLedger(clock), artifacts=MemoryArtifacts(), publisher=RecordingPublisher(), clock=clock)
    return ByHand("http://control", ports), _shared_app().over(ports)


@cache
def _shared_app() -> SharedApp:
    """One app for all tests: it makes its OpenAPI document once."""
    return SharedApp()


def console_over(
    control: FastAPI, issuer: Answer | None = None, prometheus: Answer | None = None, **settings: object
) -> TestClient:
    """The console over a control API in this process, perhaps with an issuer and a Prometheus whose answers functions give.

    It is the browser of one reader.
    """
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=control), base_url="http://control")
    return _browser(http, issuer, prometheus, settings)


def console_answered_by(
    answer: Answer, issuer: Answer | None = None, prometheus: Answer | None = None, **settings: object
) -> TestClient:
    """The console over an API whose answers a function gives, and perhaps such an issuer and such a Prometheus."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://control")
    return _browser(http, issuer, prometheus, settings)


def prometheus_answered_by(answer: Answer) -> httpx.AsyncClient:
    """A client of a Prometheus whose answers a function gives."""
    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://prometheus:9090")


def _browser(
    http: httpx.AsyncClient, issuer: Answer | None, prometheus: Answer | None, settings: dict[str, object]
) -> TestClient:
    at_issuer = httpx.AsyncClient(transport=httpx.MockTransport(issuer or _no_issuer))
    watching = None if prometheus is None else prometheus_answered_by(prometheus)
    app = create_console(ConsoleSettings.model_validate(settings), http, at_issuer, watching)
    return TestClient(app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False)


def form_of(html: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that is sent to an address."""
    found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', html, re.DOTALL)
    assert found, f"no form for {action}"
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[0]))


def answers_of(issuer: SmallIssuer) -> Answer:
    """What an issuer answers the console, without a server."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            status, headers, body = issuer.answer(request.url.raw_path.decode())
            return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))
        form = dict(parse_qsl(request.content.decode())) | client_of(request.headers.get("authorization"))
        status, said = issuer.answer_to_form(request.url.path, form)
        return httpx.Response(status, stream=httpx.ByteStream(json.dumps(said).encode()))

    return answer


def _no_issuer(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("there is no issuer", request=request)


@contextmanager
def served_console(children: Children, home: Path, api_url: str, port: int = 0, **settings: object) -> Iterator[str]:
    """The console as a process of its own over the API at a URL, on a port or on a free one; its own URL.

    ``home`` gets its log. It is killed at the end.
    """
    url = f"http://{HOST}:{port or free_ports(1)[0]}"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "FEDFACE_API_URL": api_url,
        "FEDFACE_CONSOLE_PORT": url.rsplit(":", 1)[1],
        "FEDFACE_CONSOLE_SECRET": "a secret of the tests that is long enough",
        **{f"FEDFACE_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = (sys.executable, "-P", "-m", "fedface_console")
    spec = ProcessSpec("console", command, lambda: responds_ok(f"{url}/healthz"), environment)
    with running(children, spec, home):
        yield url
