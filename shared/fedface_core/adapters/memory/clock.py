"""A clock that is set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """`Clock` that stands still until `advance`, `sleep` or `set_to` is called."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._passed = timedelta()

    def now(self) -> datetime:
        """The present time, an aware datetime in UTC. It is the time that the clock was set to."""
        return self._now

    def monotonic(self) -> float:
        """The seconds that have passed since the clock was made. `set_to` does not count as passed time."""
        return self._passed.total_seconds()

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._now += timedelta(seconds=seconds)
        self._passed += timedelta(seconds=seconds)

    def set_to(self, now: datetime) -> None:
        """Set the clock forward or back, as NTP does: no time passes."""
        self._now = now

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or at once if ``seconds`` is 0. It moves the clock forward by ``seconds`` and returns at
        once.
        """
        self.advance(seconds)
