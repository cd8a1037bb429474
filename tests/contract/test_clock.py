"""What every `Clock` promises: the time in UTC, and that time has passed after a sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fedface_core.adapters.memory import ManualClock, MemoryLedger
from fedface_core.adapters.system_clock import LedgerClock, SystemClock
from fedface_core.ports import Clock

CLOCKS = [SystemClock(), ManualClock(), LedgerClock(MemoryLedger())]
NAMES = ["system", "manual", "ledger"]


@pytest.mark.parametrize("clock", CLOCKS, ids=NAMES)
def test_the_time_is_in_utc_and_never_goes_back(clock: Clock) -> None:
    first = clock.now()
    second = clock.now()
    assert first.utcoffset() == timedelta(0)
    assert first <= second


def test_the_system_clock_tells_the_time() -> None:
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_manual_clock_moves_by_exactly_what_it_is_advanced() -> None:
    clock = ManualClock(datetime(2026, 5, 4, tzinfo=UTC))
    clock.advance(1.5)
    assert clock.now() == datetime(2026, 5, 4, 0, 0, 1, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("clock", CLOCKS, ids=NAMES)
@pytest.mark.parametrize("seconds", [0, 0.05])
def test_time_has_passed_after_a_sleep(clock: Clock, seconds: float) -> None:
    before = clock.now()
    clock.sleep(seconds)
    passed = (clock.now() - before).total_seconds()
    assert passed >= seconds * 0.9, "the system's clock may be set back a little meanwhile"


@pytest.mark.parametrize("clock", CLOCKS, ids=NAMES)
def test_a_duration_is_that_of_the_sleep(clock: Clock) -> None:
    before = clock.monotonic()
    clock.sleep(0.05)
    assert 0.05 <= clock.monotonic() - before < 5


def test_a_duration_does_not_change_if_the_clock_is_set() -> None:
    clock = ManualClock()
    clock.advance(3)
    clock.set_to(datetime(2020, 1, 1, tzinfo=UTC))
    clock.advance(4)
    assert clock.monotonic() == 7
    assert clock.now() == datetime(2020, 1, 1, 0, 0, 4, tzinfo=UTC)


def test_a_sleep_moves_the_manual_clock_exactly() -> None:
    clock = ManualClock(datetime(2026, 5, 4, tzinfo=UTC))
    clock.sleep(300)
    assert clock.now() == datetime(2026, 5, 4, 0, 5, tzinfo=UTC)
