"""`fedface bench signatures` reports and prints what it measured, and refuses what it cannot measure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.domain.plan import Plan
from fedface_core.ports import Ports
from loadtest.bench.signature_cost import SignatureReport
from support.command_line import Invoke
from support.small_networks import small_plan


def test_each_workload_is_reported(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def in_memory(_artifacts: str) -> Iterator[tuple[Ports, None]]:
        yield Ports(MemoryLedger(), MemoryArtifacts(), RecordingPublisher(), SystemClock()), None

    def small(clients: int) -> dict[str, Plan]:
        assert clients == 6
        return {
            "do nothing": small_plan(
                data={"dataset": "synthetic"}, local_training={"steps": 0}, rounds=1, split={"clients": 3}
            )
        }

    monkeypatch.setattr("loadtest.bench.storage_figures.empty_ports", in_memory)
    monkeypatch.setattr("loadtest.bench.signature_cost.plans", small)
    status, out, err = fedface("bench", "signatures", "--clients", "6", "--repetitions", "1", "--json")
    assert status == 0
    report = SignatureReport.model_validate_json(out)
    assert (report.clients, report.artifacts, [*report.shares]) == (6, "s3", ["do nothing"])
    assert str(report.shares["do nothing"].percent) in err


def test_a_wrong_option_is_refused_before_anything_is_measured(fedface: Invoke) -> None:
    status, _, err = fedface("bench", "signatures", "--clients", "1")
    assert status == 2
    assert "clients" in err
