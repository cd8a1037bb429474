"""What clients and their updates take is measured without what ledger and store take."""

from __future__ import annotations

import time

import pytest

from fedface_core.adapters.memory import MemoryArtifacts
from loadtest.bench.no_op_plan import TINY_NETWORK
from loadtest.scale import measure_work
from loadtest.scale.service_times import ServiceTimes


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    larger = TINY_NETWORK | {"widths": [8, 16, 16, 16]}
    monkeypatch.setattr(measure_work, "NETWORKS", ((TINY_NETWORK, 0.009), (larger, 0.03)))
    monkeypatch.setattr(measure_work, "CLIENTS", 8)


@pytest.mark.long
@pytest.mark.usefixtures("tiny_networks")
def test_what_the_store_takes_is_no_work_of_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each put of an update takes 100 ms of processor time. If that counted, so would a client."""
    put = MemoryArtifacts.put

    def slow_put(store: MemoryArtifacts, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        until = time.thread_time() + (0.1 if "/updates/" in key else 0.0)
        while time.thread_time() < until:
            pass
        put(store, key, *data, sha256=sha256)

    monkeypatch.setattr(MemoryArtifacts, "put", slow_put)
    costs = measure_work.measure_work("here", rounds=1)
    assert 0 < costs["client"].caller_seconds(0.03) < 0.05
    assert {cost.measured for cost in costs.values()} == {"here"}


def test_each_piece_is_one_that_a_round_is_simulated_with() -> None:
    work = ServiceTimes.read().work
    assert {"client", "combined_client", "fold", "merge", "shard"} <= work.keys()
    assert all(work[name].unit == "MB" for name in ("client", "combined_client", "fold", "merge", "shard"))
