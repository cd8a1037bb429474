"""``python -m loadtest.chaos.wrong_clock SECONDS MODULE``: runs a service as on a machine whose clock is ahead by SECONDS.

Negative seconds are behind. Wrong are `time.time`, by which Celery's broker dates messages, and the clock of this machine
that FedFace has. Durations (`time.monotonic`) stay right, as they do on such a machine.
"""

from __future__ import annotations

import runpy
import sys
import time
from datetime import datetime, timedelta
from unittest import mock

from fedface_core.adapters.system_clock import SystemClock


def put_wrong(seconds: float) -> None:
    """Make the clock of this process, and of the processes that it forks, wrong by ``seconds``."""
    right_time = time.time
    right_now = SystemClock.now

    def wrong_time() -> float:
        return right_time() + seconds

    def wrong_now(clock: SystemClock) -> datetime:
        return right_now(clock) + timedelta(seconds=seconds)

    mock.patch.object(time, "time", wrong_time).start()
    mock.patch.object(SystemClock, "now", wrong_now).start()


def main() -> None:
    """Put the clock wrong, then run the module in place of this one."""
    seconds, module = sys.argv[1:]
    put_wrong(float(seconds))  # before the service imports libraries, which keep the function `time.time`
    sys.argv[1:] = []
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
