"""`fedface bench signatures` reports and prints what it measured, and refuses what it cannot measure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.domain.plan import Plan
from fedface_core.ports import Ports
from loadtest.bench.signature_cost import SignatureReport
from support.command_line import Invoke
from support.small_networks import small_plan


def test_each_workload_is_reported(fedface: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
    file = tmp_path / "signatures.json"
    status, out, _ = fedface("bench", "signatures", "--clients", "6", "--repetitions", "1", "--json", str(file))
    assert status == 0
    report = SignatureReport.model_validate_json(file.read_text())
    assert (report.clients, report.artifacts, [*report.shares]) == (6, "s3", ["do nothing"])
    assert str(report.shares["do nothing"].percent) in out


NOWHERE = "/no/such/directory/x.json"


@pytest.mark.parametrize(
    ("arguments", "says"), [(["--clients", "1"], "clients"), (["--json", NOWHERE], "there is no directory")]
)
def test_wrong_options_are_refused_before_anything_is_measured(fedface: Invoke, arguments: list[str], says: str) -> None:
    status, _, err = fedface("bench", "signatures", *arguments)
    assert status != 0
    assert says in err
