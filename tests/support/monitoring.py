"""Debian's Prometheus, Alertmanager and their tools, as tests use them; and an HTTP server that keeps what it is sent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from loadtest.dashboards.prometheus_data import configure
from support.required_parts import required_binary

HOST = "127.0.0.1"
DEPLOY = Path(__file__).parents[2] / "deploy"
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}


def monitoring_binary(name: str) -> str:
    """The path of a binary. The test is skipped without it, or fails if FEDFACE_REQUIRE names prometheus."""
    return required_binary(name, PACKAGES[name], "prometheus")


def start_prometheus(
    binary: str,
    home: Path,
    targets: dict[str, str],
    children: Children,
    ending: ExitStack,
    alertmanager: str | None = None,
    every: str = "500ms",
) -> str:
    """Start a Prometheus with the rules of deploy/, and with fixed addresses as targets. Returns its URL."""
    configure(home / "prometheus.yml", targets, every, alertmanager)
    (port,) = free_ports(1)
    command = (
        binary,
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    )
    ending.callback(children.kill, children.start(command, dict(os.environ), home / "prometheus.log"))
    return f"http://{HOST}:{port}"


def query(url: str, expression: str) -> list[dict[str, Any]]:
    """The series of an expression at this moment, each with its labels and its value; none while Prometheus is starting."""
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, trust_env=False, timeout=30)
    except httpx.TransportError:
        return []
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return []
    assert answer.status_code == httpx.codes.OK, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return [{"labels": one["metric"], "value": float(one["value"][1])} for one in found]


def values(url: str, expression: str) -> list[float]:
    """The values of an expression at this moment."""
    return [one["value"] for one in query(url, expression)]


@dataclass(frozen=True)
class Request:
    """What a receiver was sent."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server of a test: it keeps each request, and answers as ``answer`` says: a status, after so many seconds."""

    url: str = ""
    received: list[Request] = field(default_factory=list)
    answer: Callable[[Request], int] = lambda _request: 204


@contextmanager
def receiving(port: int = 0, answer: Callable[[Request], int] = lambda _request: 204) -> Iterator[Receiver]:
    """A receiver on a port of this machine, until the end of the block."""
    receiver = Receiver(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = Request({name.lower(): value for name, value in self.headers.items()}, body)
            receiver.received.append(request)
            status = receiver.answer(request)
            try:
                self.send_response(status)
                if status in (301, 302, 307, 308):
                    self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                return  # the sender did not wait

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    receiver.url = f"http://{HOST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
