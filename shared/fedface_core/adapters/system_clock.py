"""The clock of this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """`Clock` by the operating system."""

    def now(self) -> datetime:
        """The present moment, in UTC with its zone."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`. This thread does nothing meanwhile."""
        time.sleep(seconds)
