"""Control ends a run whose steps in control itself fail again and again, and no run that has ended or is being deleted."""

from __future__ import annotations

import pytest
import structlog

from fedface_control.failing import (
    SWEEP_STEP,
    count_failed_sweep,
    counting_failures_of_fact,
    fact_came_back,
    fail_run,
)
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.errors import StaleVersionError, UnavailableError
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.failures import MOST_IN_A_ROW, PROCESS_ENDED
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, RunPhase
from support.control_rounds import RUN, Control

FACT = RoundReady(run_id=RUN, round=0, because="settled")
STEP = "control.handle_fact of round_ready"


def fail_to_handle(control: Control, error: Exception) -> None:
    with pytest.raises(type(error)), counting_failures_of_fact(control.ports, FACT):
        raise error


def test_a_fact_that_cannot_be_handled_fails_the_run_in_the_end() -> None:
    control = Control.empty()
    control.open()
    for _ in range(MOST_IN_A_ROW):
        assert control.ledger.load(RUN).phase is RunPhase.RUNNING
        fail_to_handle(control, KeyError("x"))
    run = control.ledger.load(RUN)
    assert (run.phase, run.failure) == (RunPhase.FAILED, f"{STEP} failed 5 times, in the end with KeyError: 'x'")
    assert control.ledger.load_round(RUN, 0).phase is RoundPhase.ABANDONED
    assert control.ledger.failures(RUN, 0) == []


def test_waiting_and_being_overtaken_are_not_counted() -> None:
    control = Control.empty()
    control.open()
    for error in (UnavailableError("S3 is away"), StaleVersionError("faster")):
        fail_to_handle(control, error)
        count_failed_sweep(control.ports, RUN, error)
    assert control.ledger.failures(RUN, 0) == []


def test_a_fact_that_kills_control_each_time_fails_the_run() -> None:
    control = Control.empty()
    control.open()
    command = HandleFact(run_id=RUN, fact=FACT)
    for _ in range(MOST_IN_A_ROW):
        with pytest.raises(SystemExit), fact_came_back(control.ports, command, "abc"):
            raise SystemExit
    assert control.ledger.load(RUN).failure == f"{STEP} failed 5 times, in the end with {PROCESS_ENDED}"


def test_a_sweep_has_more_chances() -> None:
    control = Control.empty()
    control.open()
    for _ in range(12 * MOST_IN_A_ROW - 1):
        count_failed_sweep(control.ports, RUN, KeyError("x"))
    assert control.ledger.load(RUN).phase is RunPhase.RUNNING
    count_failed_sweep(control.ports, RUN, KeyError("x"))
    assert control.ledger.load(RUN).failure == f"{SWEEP_STEP} failed 60 times, in the end with KeyError: 'x'"


def test_a_failed_sweep_that_cannot_be_counted_does_not_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control.empty()
    control.open()

    def away(*_: object) -> None:
        raise UnavailableError("Redis is away")

    monkeypatch.setattr(control.ledger, "record_failure", away)
    with structlog.testing.capture_logs() as logs:
        count_failed_sweep(control.ports, RUN, KeyError("x"))
    assert [entry["event"] for entry in logs] == ["failure_not_counted"]


@pytest.mark.parametrize("phase", sorted(ENDED | {RunPhase.CREATED}))
def test_a_run_that_has_not_started_or_has_ended_does_not_fail(phase: RunPhase) -> None:
    control = Control.empty()
    before = control.create(phase)
    fail_run(control.ports, RUN, "too late")
    assert control.ledger.load(RUN) == before
