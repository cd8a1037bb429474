"""A run that does not complete ends in an error that shows the logs that may say why; its stack is stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports
from loadtest.chaos.plan import synthetic_plan
from loadtest.chaos.trial import ChaosError, run_fault_free

PLAN = synthetic_plan(clients=2, rounds=1, seed=0)


class FakeStack:
    """A stack without processes, whose logs have one line each."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.processes: dict[str, Any] = {}
        self.stopped = False

    def check(self) -> None:
        assert not self.stopped

    def log_tail(self, name: str) -> str:
        return f"the last line of {name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True


def start(monkeypatch: pytest.MonkeyPatch, phase: RunPhase, failure: str | None = None) -> None:
    """Have every stack run `PLAN`, whose run is in ``phase``."""
    ports = Ports(MemoryLedger(), MemoryArtifacts(), RecordingPublisher(), SystemClock())
    now = datetime(2026, 1, 1, tzinfo=UTC)
    run = Run(id="run-0123456789ab", plan=PLAN, phase=phase, failure=failure, correlation_id="abc", created_at=now)
    ports.ledger.create(run)
    monkeypatch.setattr("loadtest.chaos.trial.connect_ports", lambda _stack: ports)
    monkeypatch.setattr("loadtest.chaos.trial.start_run_of", lambda _stack, _plan: run.id)


def test_a_run_that_takes_too_long_fails_with_what_the_services_logged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    start(monkeypatch, RunPhase.PREPARING)
    stack: Any = FakeStack(tmp_path)
    with pytest.raises(ChaosError, match="the run has not ended after 0 s: preparing") as raised:
        run_fault_free(stack, PLAN, limit_seconds=0.0)
    assert "sweep.log:\nthe last line of sweep" in str(raised.value)
    assert "aggregator.log:\nthe last line of aggregator" in str(raised.value)
    assert stack.stopped


def test_a_run_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    start(monkeypatch, RunPhase.FAILED, "too few updates")
    stack: Any = FakeStack(tmp_path)
    with pytest.raises(ChaosError, match="the run is failed: too few updates"):
        run_fault_free(stack, PLAN, limit_seconds=60.0)
    assert stack.stopped
