"""The clock of this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """`Clock` of the operating system."""

    def now(self) -> datetime:
        """The present time, an aware datetime in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or at once if ``seconds`` is 0. It blocks the calling thread."""
        time.sleep(seconds)
