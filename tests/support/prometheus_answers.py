"""Answers of a Prometheus that watches three processes of FedFace, one of which is gone, with one alert that is on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

UP = [
    ({"job": "client", "instance": "10.0.0.1:9100"}, "1"),
    ({"job": "client", "instance": "10.0.0.2:9100"}, "0"),
    ({"job": "sweep", "instance": "10.0.0.3:9100"}, "1"),
]
TASKS = [
    ({"job": "client", "instance": "10.0.0.1:9100", "outcome": "ok"}, "41.6"),
    ({"job": "client", "instance": "10.0.0.1:9100", "outcome": "error"}, "2.1"),
    ({"job": "client", "instance": "10.0.0.1:9100", "outcome": "interrupted"}, "1"),
    ({"job": "sweep", "instance": "10.0.0.3:9100", "outcome": "ok"}, "100"),
]


def alert(state: str = "firing", **more: Any) -> dict[str, Any]:
    return {
        "state": state,
        "activeAt": "2026-11-27T11:00:00.123456789Z",
        "value": "1e+00",
        "labels": {"alertname": "WorkerGone", "severity": "critical"},
        "annotations": {
            "summary": "A worker of client is gone <b>now</b>",
            "action": "See its log.",
            "runbook_url": "https://runbooks.example/#workergone",
        },
    } | more


def rules(*alerts: dict[str, Any]) -> dict[str, Any]:
    rule = {"type": "alerting", "name": "WorkerGone", "state": "firing", "query": "up == 0", "alerts": list(alerts)}
    quiet = {"type": "alerting", "name": "RunFailed", "state": "inactive", "query": "x", "alerts": []}
    return {"status": "success", "data": {"groups": [{"name": "workers", "file": "alerts.yml", "rules": [rule, quiet]}]}}


def vector(samples: list[tuple[dict[str, str], str]]) -> dict[str, Any]:
    result = [{"metric": labels, "value": [1795781040.123, value]} for labels, value in samples]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def watching(request: httpx.Request) -> httpx.Response:
    """The answer to each question of the console."""
    if request.url.path == "/api/v1/rules":
        return httpx.Response(200, json=rules(alert(), alert("pending")))
    query = request.url.params["query"]
    return httpx.Response(200, json=vector(TASKS if "fedface_task_seconds" in query else UP))


@contextmanager
def served_prometheus() -> Iterator[str]:
    """Such a Prometheus on a port of this machine, until the end of the block: its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = watching(httpx.Request("GET", f"http://{self.headers['Host']}{self.path}")).content
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
