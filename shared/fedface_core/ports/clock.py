"""The port of the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time of runs and rounds, and of waits. It is a port so that tests can set it.

    All processes share one time, that of the ledger (ADR 24). A machine's own clock may be wrong, so no deadline is judged
    by it.
    """

    def now(self) -> datetime:
        """The present time of the ledger, an aware datetime in UTC. `UnavailableError` if the ledger does not answer.

        Somebody may set that clock while a run goes on, so a later call may return an earlier time.
        """

    def monotonic(self) -> float:
        """Seconds since some moment, for durations within one process. No setting of a clock changes them."""

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or at once if ``seconds`` is 0."""
