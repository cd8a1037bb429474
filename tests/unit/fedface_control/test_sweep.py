"""The sweep repeats commands only of rounds in which nothing happens, and each run for itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import structlog

from fedface_control import sweep as sweep_module
from fedface_control.sweep import sweep
from fedface_core.domain.errors import StaleVersionError
from fedface_core.domain.run import Run, RunPhase
from support.control_rounds import NOW, PLAN, RUN, Control

REPEAT_AFTER = timedelta(seconds=30)


def repeated_after(control: Control, seconds: float) -> int:
    control.clock.advance(seconds)
    before = len(control.publisher.published)
    sweep(control.ports, REPEAT_AFTER)
    return len(control.publisher.published) - before


def test_commands_are_repeated_once_nothing_has_happened_for_a_while() -> None:
    control = Control.empty()
    control.open()
    assert repeated_after(control, 30) == 0
    assert repeated_after(control, 1) == 7
    control.publisher.published.clear()
    assert repeated_after(control, 29) == 0, "they were published just now"


def test_messages_in_the_queue_are_waited_for_ten_times_longer() -> None:
    control = Control.empty()
    control.create(RunPhase.PREPARING)
    assert repeated_after(control, 31) == 1
    assert repeated_after(control, 299) == 0, "the message still waits"
    assert repeated_after(control, 2) == 1


def test_a_clock_that_was_set_back_does_not_keep_commands_from_being_repeated() -> None:
    control = Control.empty()
    control.open()
    control.clock.set_to(NOW - timedelta(days=1))
    assert repeated_after(control, 0) == 7
    control.publisher.published.clear()
    assert repeated_after(control, 30) == 0, "they were published just now, by the new time"


@pytest.mark.parametrize(
    ("error", "event"), [(StaleVersionError("faster"), "sweep_overtaken"), (KeyError("broken"), "sweep_failed")]
)
def test_one_runs_error_is_logged_and_the_next_run_is_swept(
    monkeypatch: pytest.MonkeyPatch, error: Exception, event: str
) -> None:
    control = Control.empty()
    control.open()
    other = Run(id="run-00000000000b", plan=PLAN, correlation_id="def", created_at=control.clock.now())
    control.ledger.create(other)
    control.ledger.save(other.started(control.clock.now()), "run_started")
    swept: list[str] = []

    def proceed(_ports: Any, run: Run, _may_publish: Any) -> None:
        swept.append(run.id)
        if run.id == RUN:
            raise error

    monkeypatch.setattr(sweep_module, "proceed", proceed)
    with structlog.testing.capture_logs() as logs:
        sweep(control.ports, REPEAT_AFTER)
    assert sorted(swept) == ["run-00000000000b", RUN]
    assert [entry["event"] for entry in logs] == [event]
