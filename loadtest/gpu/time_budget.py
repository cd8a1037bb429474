"""A time by which all measurements end. What is under way then is given up, and is said."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

from torch.amp import autocast_mode
from torch.autograd import grad_mode
from torch.utils import _contextlib, _device  # noqa: PLC2701 - for the names of their files


class _OutOfTime(BaseException):
    """The time of all measurements is over."""


_AGAIN_SECONDS: Final = 0.01
AROUND_A_BLOCK: Final = (__file__, contextlib.__file__)
"""Files whose code runs between `TimeBudget.part` and its block."""
_OF_MODES: Final = tuple(module.__file__ for module in (grad_mode, autocast_mode, _device, _contextlib))
"""Files of torch that set a mode of the thread before a block, and set it back after it. Broken off, they would leave it."""


class TimeBudget:
    """Seconds for all measurements together, from now on. Use it in the main thread: only it gets the signal."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self.left_out: list[str] = []
        """What was not measured, and why, in order."""

    @contextlib.contextmanager
    def part(self, what: str) -> Iterator[None]:
        """A block that measures something. If the time is over, it is left where it is, and ``what`` is left out.

        A single operation of torch is not broken off: it may end later.
        """
        handler_before = signal.signal(signal.SIGALRM, _stop)
        left = max(self._ends_at - time.monotonic(), 0.001)  # a timer of 0 seconds would never end
        timer_before = signal.setitimer(signal.ITIMER_REAL, left, _AGAIN_SECONDS)
        try:
            yield
            signal.setitimer(signal.ITIMER_REAL, 0)
        except _OutOfTime:
            self.left_out.append(f"{what}, for want of time")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler_before)
            signal.setitimer(signal.ITIMER_REAL, *timer_before)


def _stop(_signal: int, frame: FrameType | None) -> None:
    """Leave the block. On the way into or out of it or a mode of torch's nothing can be left: the signal comes again."""
    if frame is not None and frame.f_code.co_filename in (*AROUND_A_BLOCK, *_OF_MODES):
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    raise _OutOfTime
