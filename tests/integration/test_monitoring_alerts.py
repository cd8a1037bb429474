"""The alert rules and who gets the alerts, tested by Prometheus's and Alertmanager's own tools, and by both as servers."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, start_http_server

from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from support.monitoring import (
    DEPLOY,
    HOST,
    monitoring_binary,
    receiving,
    start_prometheus,
    values,
)
from support.servers import wait_for

PROMETHEUS = DEPLOY / "prometheus"
ALERTMANAGER = DEPLOY / "alertmanager/alertmanager.yml"


@pytest.fixture
def promtool() -> str:
    return monitoring_binary("promtool")


@pytest.fixture
def amtool() -> str:
    return monitoring_binary("amtool")


def run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_configuration_is_valid(promtool: str, tmp_path: Path) -> None:
    """The key of the metrics is made when compose starts."""
    (tmp_path / "metrics.key").write_text("a key")
    (tmp_path / "alerts.yml").write_text((PROMETHEUS / "alerts.yml").read_text())
    text = (PROMETHEUS / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/fedface/metrics/metrics.key", str(tmp_path / "metrics.key")))
    run(promtool, "check", "config", str(tmp_path / "prometheus.yml"))


def test_each_alert_fires_when_it_should(promtool: str) -> None:
    run(promtool, "test", "rules", str(PROMETHEUS / "alerts_test.yml"))


def test_a_threshold_that_moved_is_noticed(promtool: str, tmp_path: Path) -> None:
    """The tests of the rules can fail: if one rule never fires, they do."""
    for name in ("alerts.yml", "alerts_test.yml"):
        (tmp_path / name).write_text(
            (PROMETHEUS / name).read_text().replace("fedface_dependency_up) == 0", "vector(1)) == 0")
        )
    answer = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "alerts_test.yml")], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode != 0
    assert "DependencyUnreachable" in answer.stdout + answer.stderr


def test_who_gets_the_alerts_is_valid_and_nobody_is_sent_any_by_default(amtool: str) -> None:
    run(amtool, "check-config", str(ALERTMANAGER))
    command = [amtool, "config", "routes", "test", f"--config.file={ALERTMANAGER}", "alertname=RunFailed"]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "page\n"


@pytest.mark.long
def test_an_alert_reaches_the_example_receiver_with_its_text_and_its_runbook(
    server_processes: Children, tmp_path: Path
) -> None:
    prometheus = monitoring_binary("prometheus")
    alertmanager = monitoring_binary("prometheus-alertmanager")
    registry = CollectorRegistry()
    dropped = Counter("fedface_dropped_messages", "Dropped.", ["queue", "fault"], registry=registry)
    counter = dropped.labels("client", "not_json")
    exporter, _thread = start_http_server(0, HOST, registry)
    with ExitStack() as ending, receiving() as receiver:
        ending.callback(exporter.server_close)
        ending.callback(exporter.shutdown)
        text = ALERTMANAGER.read_text()
        for old, new in {
            "receiver: page": "receiver: example",
            "http://receiver.example:8080/alerts": receiver.url,
            "group_wait: 10s": "group_wait: 0s",
        }.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / "alertmanager.yml").write_text(text)
        (port,) = free_ports(1)
        address = f"{HOST}:{port}"
        command = (
            alertmanager,
            f"--config.file={tmp_path / 'alertmanager.yml'}",
            f"--storage.path={tmp_path / 'alertmanager'}",
            "--cluster.listen-address=",
            f"--web.listen-address={address}",
        )
        ending.callback(
            server_processes.kill, server_processes.start(command, dict(os.environ), tmp_path / "alertmanager.log")
        )
        target = {"client": f"{HOST}:{exporter.server_port}"}
        url = start_prometheus(prometheus, tmp_path, target, server_processes, ending, address)
        wait_for("the counter at 0", lambda: values(url, "fedface_dropped_messages_total") == [0.0])
        counter.inc()

        def alerts() -> list[dict[str, dict[str, str]]]:
            sent = [alert for request in receiver.received for alert in json.loads(request.body)["alerts"]]
            return [alert for alert in sent if alert["labels"]["alertname"] == "MessagesDropped"]

        wait_for("the alert", lambda: bool(alerts()))
        alert = alerts()[0]
    labels = {"alertname": "MessagesDropped", "severity": "warning", "queue": "client", "fault": "not_json"}
    assert alert["labels"] == labels
    assert alert["annotations"]["runbook_url"] == "https://docs.example.org/runbooks#messagesdropped"
    assert "dropped unread in the last 15 minutes (not_json)" in alert["annotations"]["summary"]
