"""A clock that is set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """`Clock` that stands still until `advance` or `sleep` is called."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        """The present time, an aware datetime in UTC. It is the time that the clock was set to."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``."""
        self._now += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or at once if ``seconds`` is 0. It moves the clock forward by ``seconds`` and returns at
        once.
        """
        self.advance(seconds)
