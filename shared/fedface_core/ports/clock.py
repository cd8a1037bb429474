"""The port of the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time. It is a port so that tests can set it."""

    def now(self) -> datetime:
        """The present time, an aware datetime in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or at once if ``seconds`` is 0."""
