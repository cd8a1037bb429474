"""Lets the signals that ask a command to end unwind it."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def exit_on_termination() -> None:
    """Make SIGTERM and SIGHUP (a closed terminal) raise `SystemExit`, so that ``finally`` blocks stop what was started.

    The exit status is 128 plus the number of the signal.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
