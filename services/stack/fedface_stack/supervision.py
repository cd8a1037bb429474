"""Keeps the processes of a local stack running: one that ends by itself is started again, as a container engine does."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from fedface_stack.stack import LocalStack

MOST_RESTARTS: Final = 5
"""A process that has been started again so often within `WITHIN_SECONDS` stays ended: another start would not help."""
WITHIN_SECONDS: Final = 120.0


class Supervision:
    """Starts the ended processes of one stack again, and says so."""

    def __init__(self, stack: LocalStack, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        """``say`` gets a line for each process that is started again, and when logs begin to grow without bound.

        ``now`` is a clock in seconds.
        """
        self._stack = stack
        self._say = say
        self._now = now
        self._restarts: dict[str, deque[float]] = {}
        self._log_problem: str | None = None

    def look(self) -> None:
        """Start again what has ended since the last call, without waiting until it is ready.

        `StackError`, with the end of its log, if a process has ended again and again.
        """
        for name in self._stack.ended():
            restarts = self._restarts.setdefault(name, deque(maxlen=MOST_RESTARTS))
            if len(restarts) == MOST_RESTARTS and self._now() - restarts[0] < WITHIN_SECONDS:
                self._stack.check()
            restarts.append(self._now())
            status = self._stack.processes[name].returncode
            self._say(f"{name} ended with status {status} and is started again; its log: {self._stack.logs / f'{name}.log'}")
            self._stack.begin_restart(name)
        problem = self._stack.log_problem()
        if problem is not None and problem != self._log_problem:
            self._say(problem)
        self._log_problem = problem
