"""A time by which all measurements end. What is under way then is given up, and is said."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _OutOfTime(BaseException):
    """The time of all measurements is over."""


class TimeBudget:
    """Seconds for all measurements together, from now on. Use it in the main thread: only it gets the signal."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self.left_out: list[str] = []
        """What was not measured, and why, in order."""

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """A block that measures something. If the time is over, it is left where it is, and ``what`` is left out.

        A single operation of torch is not broken off: it may end later.
        """
        handler_before = signal.signal(signal.SIGALRM, _stop)
        left = max(self._ends_at - time.monotonic(), 0.001)  # a timer of 0 seconds would never end
        timer_before = signal.setitimer(signal.ITIMER_REAL, left)
        try:
            yield
            signal.setitimer(signal.ITIMER_REAL, 0)
        except _OutOfTime:
            self.left_out.append(f"{what}, for want of time")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler_before)
            signal.setitimer(signal.ITIMER_REAL, *timer_before)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _OutOfTime
