"""Waiting for a run: only a completed one is measured, and one that takes too long is cancelled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fedface_core.domain.run import RunPhase
from loadtest.bench import completed_run
from loadtest.bench.completed_run import RunDidNotCompleteError, wait_for_completion


class FakeApi:
    """A control API whose run is in one phase after the other, and then stays in the last one."""

    def __init__(self, *phases: RunPhase) -> None:
        self._phases = list(phases)
        self.cancelled: list[str] = []

    def run(self, run_id: str) -> SimpleNamespace:
        phase = self._phases.pop(0) if len(self._phases) > 1 else self._phases[0]
        return SimpleNamespace(phase=phase, round=1, failure="too few updates")

    def cancel(self, run_id: str) -> None:
        self.cancelled.append(run_id)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completed_run, "POLL_SECONDS", 0.0)


def test_it_waits_until_the_run_has_completed_and_checks_the_stack_meanwhile() -> None:
    api: Any = FakeApi(RunPhase.PREPARING, RunPhase.RUNNING, RunPhase.COMPLETED)
    checks: list[str] = []
    stack: Any = SimpleNamespace(check=lambda: checks.append("checked"))
    wait_for_completion(stack, api, "run-0123456789ab")
    assert checks == ["checked", "checked"]
    assert api.cancelled == []


def test_a_run_that_fails_is_an_error() -> None:
    api: Any = FakeApi(RunPhase.FAILED)
    stack: Any = SimpleNamespace(check=lambda: None)
    with pytest.raises(RunDidNotCompleteError, match="the run is failed: too few updates"):
        wait_for_completion(stack, api, "run-0123456789ab")


def test_a_run_that_takes_too_long_is_cancelled() -> None:
    api: Any = FakeApi(RunPhase.RUNNING)
    stack: Any = SimpleNamespace(check=lambda: None)
    with pytest.raises(RunDidNotCompleteError, match="it is in round 1"):
        wait_for_completion(stack, api, "run-0123456789ab", deadline=0.0)
    assert api.cancelled == ["run-0123456789ab"]
