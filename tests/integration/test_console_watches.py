"""The console asks a real Prometheus: which processes of FedFace are alive, what they did, and which alerts there are."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from fedface_console.control_api import connection_to
from fedface_console.errors import PrometheusError
from fedface_console.prometheus import Prometheus, Watched
from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from support.monitoring import HOST, monitoring_binary, start_prometheus
from support.servers import wait_for

pytestmark = pytest.mark.long


def watched(url: str) -> Watched | None:
    async def ask() -> Watched:
        async with connection_to(url, most=10) as http:
            return await Prometheus(http).watched()

    try:
        return asyncio.run(ask())
    except PrometheusError:  # it is starting
        return None


def test_the_processes_of_fedface_and_no_others_are_seen(server_processes: Children, tmp_path: Path) -> None:
    binary = monitoring_binary("prometheus")
    ours = CollectorRegistry()
    Counter("fedface_artifact_bytes", "as each process exports it", ["operation", "kind"], registry=ours).labels("put", "x")
    seconds = Histogram("fedface_task_seconds", "as a worker exports it", ["task", "queue", "outcome"], registry=ours)
    for outcome in ("ok", "error"):
        seconds.labels("train", "client", outcome)
    strangers = CollectorRegistry()
    Counter("requests", "of somebody else", registry=strangers)
    registries = {"client": ours, "aggregator": ours, "database": strangers}
    targets = {name: f"{HOST}:{port}" for name, port in zip(registries, free_ports(len(registries)), strict=True)}
    with ExitStack() as ending:
        servers = {}
        for name, registry in registries.items():
            servers[name], _ = start_http_server(int(targets[name].rsplit(":")[-1]), HOST, registry)
            ending.callback(servers[name].server_close)
            ending.callback(servers[name].shutdown)
        url = start_prometheus(binary, tmp_path, targets, server_processes, ending)

        def failed() -> bool:
            found = watched(url)
            return found is not None and any(one.failed and one.done > 3 for one in found.processes)

        def alive() -> dict[str, tuple[int, int]]:
            found = watched(url)
            return {} if found is None else found.services

        wait_for("both services", lambda: alive() == {"aggregator": (1, 1), "client": (1, 1)})
        for _ in range(5):
            seconds.labels("train", "client", "ok").observe(0.1)
        seconds.labels("train", "client", "error").observe(0.1)
        wait_for(
            "its tasks", lambda: any(one.failed and one.done > 3 for one in (watched(url) or Watched([], [], 0)).processes)
        )
        servers["aggregator"].shutdown()
        servers["aggregator"].server_close()
        wait_for("the one that is gone", lambda: alive() == {"aggregator": (0, 1), "client": (1, 1)})
        found = watched(url)
        assert found is not None
        assert (found.processes[0].service, found.processes[0].alive) == ("aggregator", False)
        assert found.rules > 10
