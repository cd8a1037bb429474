"""Signals that ask a command to end."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def exit_on_termination() -> None:
    """Let SIGTERM and SIGHUP (a closed terminal) unwind the stack as Ctrl-C does, so that what was started is stopped."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
