"""The port of the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time, so that tests can set it."""

    def now(self) -> datetime:
        """The present moment, in UTC with its zone."""

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; at once for 0."""
