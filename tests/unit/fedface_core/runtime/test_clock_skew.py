"""The gauge of the clock's skew, and its lines in the log: when it begins, changes and ends, and not at every look."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from fedface_core.adapters.memory import ManualClock
from fedface_core.domain.errors import UnavailableError
from fedface_core.runtime.clock_skew import ClockSkew

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledgers(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """The ledger's clock. That of this machine stands still."""
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    return ManualClock(EPOCH + timedelta(seconds=1_000_000))


def set_skew(ledgers: ManualClock, seconds: float) -> None:
    """Set the ledger's clock so that this machine's is ahead by ``seconds``."""
    ledgers.set_to(EPOCH + timedelta(seconds=1_000_000 - seconds))


@pytest.mark.parametrize("seconds", [0.0, 120.0, -120.0])
def test_the_gauge_says_how_far_this_machines_clock_is_ahead(ledgers: ManualClock, seconds: float) -> None:
    set_skew(ledgers, seconds)
    registry = CollectorRegistry()
    registry.register(ClockSkew(ledgers))
    (line,) = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    name, value = line.split()
    assert name == "fedface_clock_skew_seconds"
    assert float(value) == pytest.approx(seconds, abs=0.5)


def test_a_skew_is_logged_when_it_begins_changes_and_ends(ledgers: ManualClock) -> None:
    skew = ClockSkew(ledgers)
    told = []
    for seconds in (0.0, 0.5, 120.0, 120.4, 119.8, 240.0, 240.0, -0.5, 0.0, -90.0):
        set_skew(ledgers, seconds)
        with structlog.testing.capture_logs() as logs:
            skew.compare()
        told += [(entry["event"], entry["log_level"], seconds) for entry in logs]
        assert all(entry["skew_seconds"] == pytest.approx(seconds, abs=0.4) for entry in logs)
    assert told == [
        ("clock_skewed", "warning", 120.0),
        ("clock_skewed", "warning", 240.0),
        ("clock_right_again", "info", -0.5),
        ("clock_skewed", "warning", -90.0),
    ]


def test_a_ledger_that_answers_slowly_is_no_skew(ledgers: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an answer took four seconds, nobody knows when in them the ledger has read its clock."""
    moments = iter((10.0, 14.0))
    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(time, "monotonic", lambda: next(moments))
        assert ClockSkew(ledgers).compare() == -2.0
    assert logs == []


def test_a_ledger_that_does_not_answer_leaves_no_gauge(monkeypatch: pytest.MonkeyPatch, ledgers: ManualClock) -> None:
    def away() -> datetime:
        raise UnavailableError("Redis does not answer")

    monkeypatch.setattr(ledgers, "now", away)
    assert list(ClockSkew(ledgers).collect()) == []
