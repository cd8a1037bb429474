"""`fedface bench storage` reports and prints what it measured, and refuses what it cannot measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.ports import Ports
from loadtest.bench.storage_figures import StorageReport
from support.command_line import Invoke
from support.lost_ledger import lose_run


def test_every_step_is_reported(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def in_memory(_artifacts: str) -> Iterator[tuple[Ports, Callable[[], None]]]:
        ports = Ports(MemoryLedger(), MemoryArtifacts(), RecordingPublisher(), SystemClock())

        def lose_ledger() -> None:
            for run in ports.ledger.runs():
                lose_run(ports.ledger, run.id)

        yield ports, lose_ledger

    monkeypatch.setattr("loadtest.bench.storage_figures.empty_ports", in_memory)
    status, out, err = fedface("bench", "storage", "--runs", "2", "--json")
    assert status == 0
    report = StorageReport.model_validate_json(out)
    assert (report.runs, report.artifacts) == (2, "s3")
    assert report.objects > 15
    assert f"2 ended runs, {report.objects} objects in s3" in err
    for what in report.seconds:
        assert what in err


def test_a_wrong_option_is_refused_before_anything_is_measured(fedface: Invoke) -> None:
    status, _, err = fedface("bench", "storage", "--runs", "1")
    assert status == 2
    assert "runs" in err
