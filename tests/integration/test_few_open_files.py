"""The API in a process that may open a hundred files, while more event streams are asked for than it can serve."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fedface_cli.api_client import ControlApi
from fedface_core.domain.plan import Plan
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, responds_ok
from fedface_stack.local_ports import free_ports
from support.servers import wait_for

pytestmark = pytest.mark.long

STREAMS = 150
OPEN_FILES = 100
PLAN = Plan.model_validate({"split": {"clients": 3, "test": 5}})


@dataclass(frozen=True)
class Api:
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@pytest.fixture(scope="module")
def api(server_processes: Children, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("api")
    (port,) = free_ports(1)
    api = Api(port, home / "api.log")
    settings = {
        "FEDFACE_REDIS_URL": valkey_url,
        "FEDFACE_ARTIFACTS": "directory",
        "FEDFACE_ARTIFACT_DIRECTORY": str(home / "artifacts"),
        "FEDFACE_API_PORT": str(port),
        "FEDFACE_API_OPEN": "true",
        "FEDFACE_API_ROOT_PATH": "/fedface",
    }
    few = ["sh", "-c", f'ulimit -n {OPEN_FILES}; exec "$@"', "sh"]
    command = [*few, sys.executable, "-P", "-m", "fedface_control.api"]
    process = server_processes.start(command, {**os.environ, **settings}, api.log)
    try:
        wait_for("the API", lambda: responds_ok(f"{api.url}/healthz"))
        yield api
    finally:
        server_processes.kill(process)


def asked_for_events(port: int, run_id: str) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=20.0)
    connection.sendall(f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def status_of(connection: socket.socket) -> int:
    """The status of the answer; 0 if there is none: the connection was closed, or never left the system's full queue."""
    try:
        return int((connection.recv(64).split() or [b"", b"0"])[1])
    except (ConnectionError, TimeoutError):
        return 0


def test_event_streams_without_end_neither_fill_the_log_nor_stop_other_requests(api: Api) -> None:
    with ControlApi(api.url) as client:
        run_id = client.create(PLAN).id
    with ExitStack() as held, ThreadPoolExecutor(STREAMS) as pool:
        asked = [pool.submit(asked_for_events, api.port, run_id) for _ in range(STREAMS)]
        streams = [held.enter_context(closing(future.result())) for future in asked]
        statuses = list(pool.map(status_of, streams))
        assert set(statuses) <= {200, 503, 0}
        assert 10 <= statuses.count(200) < OPEN_FILES / 2, statuses
        assert statuses.count(503) >= 10, statuses
        for _ in range(20):
            began = time.monotonic()
            assert httpx.get(f"{api.url}/v1/runs/{run_id}", trust_env=False, timeout=30).status_code == 200
            assert time.monotonic() - began < 5.0
            time.sleep(0.1)
        assert api.log.stat().st_size < 100_000
        assert "Too many open files" not in api.log.read_text()

    def a_stream_has_room() -> bool:
        with closing(asked_for_events(api.port, run_id)) as stream:
            return status_of(stream) == 200

    wait_for("room for a new stream", a_stream_has_room)


def test_its_process_offers_the_api_under_the_prefix_of_a_proxy(api: Api) -> None:
    described = httpx.get(f"{api.url}/openapi.json", trust_env=False, timeout=30).json()
    assert [server["url"] for server in described["servers"]] == ["/fedface"]
