"""The clock of this machine, and the clock of the ledger."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from fedface_core.ports import RunViews


class SystemClock:
    """`Clock` of the operating system. Other machines may have another time."""

    def now(self) -> datetime:
        """The present time of this machine, an aware datetime in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment, for durations within one process. No setting of a clock changes them."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or at once if ``seconds`` is 0. It blocks the calling thread."""
        time.sleep(seconds)


class LedgerClock(SystemClock):
    """`Clock` of ``ledger``, which all processes share. Waits and durations are those of the operating system."""

    def __init__(self, ledger: RunViews) -> None:
        self._ledger = ledger

    def now(self) -> datetime:
        """The present time of the ledger, an aware datetime in UTC. `UnavailableError` if the ledger does not answer."""
        return self._ledger.now()
