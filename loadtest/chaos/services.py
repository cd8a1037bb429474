"""The processes of a stack, as an adversary sees them: whom it can kill now, and who comes back when."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

from fedface_stack.stack import LocalStack, StackError

_SETTLED_SECONDS = 8.0  # after its start a service is left alone that long: to kill it while it loads proves little
LONGEST_ABSENCE = 3.0
FREEZE_SECONDS = (1.0, 4.0)
CUT_SECONDS = (6.0, 10.0)


class Services:
    """Kills, freezes and brings back. Nothing here waits: `tick` does what has become due."""

    def __init__(self, stack: LocalStack, draw: random.Random) -> None:
        self._stack = stack
        self._draw = draw
        self._started = dict.fromkeys(stack.processes, 0.0)
        self._back_at: dict[str, float] = {}
        self._frozen_until: dict[str, float] = {}
        self.groups = {process.pid for process in stack.processes.values()}
        self.ended: list[str] = []

    @property
    def all(self) -> set[str]:
        """Every service and server of the stack."""
        return set(self._started)

    @property
    def running(self) -> set[str]:
        """The services that were not killed, or have been started again."""
        return self.all - self._back_at.keys()

    @property
    def settled(self) -> set[str]:
        """Those of them that have run for some seconds."""
        now = time.monotonic()
        return {name for name in self.running if now - self._started[name] >= _SETTLED_SECONDS}

    def kill(self, name: str) -> None:
        """SIGKILL a service with its worker processes; it comes back after a moment."""
        self._stack.kill(name)
        self._frozen_until.pop(name, None)
        self._back_at[name] = time.monotonic() + self._draw.uniform(0.0, LONGEST_ABSENCE)

    def freeze(self, name: str) -> None:
        """Stop a service in the middle of what it does (SIGSTOP), for some seconds: it accepts and does not answer."""
        self._signal(name, signal.SIGSTOP)
        self._frozen_until[name] = time.monotonic() + self._draw.uniform(*FREEZE_SECONDS)

    def cut(self, name: str) -> None:
        """Have a service end in good order, and leave it away for longer than anybody's retries."""
        self._thaw(name)
        self._signal(name, signal.SIGTERM)
        self._back_at[name] = time.monotonic() + self._draw.uniform(*CUT_SECONDS)

    def tick(self, held: str | None = None) -> None:
        """Bring back whose time has come, all but the one that is ``held``; note who ended unasked."""
        now = time.monotonic()
        for name in self._stack.ended():
            if name not in self._back_at:
                self.ended.append(name)
                self._back_at[name] = now + self._draw.uniform(0.0, LONGEST_ABSENCE)
        for name, at in list(self._back_at.items()):
            if now >= at and name != held:
                self._bring_back(name)
        for name, until in list(self._frozen_until.items()):
            if now >= until:
                self._thaw(name)

    def bring_all_back(self) -> None:
        """Peace: everything runs again, the servers first, and is waited for."""
        for name in list(self._frozen_until):
            self._thaw(name)
        servers = sorted(self.all & {"valkey", "s3"})
        for name in self._back_at.keys() & set(servers):
            self._bring_back(name)
        self._stack.wait_until_ready(servers)
        for name in list(self._back_at):
            self._bring_back(name)
        try:
            self._stack.wait_until_ready(sorted(self.all))
        except StackError:  # of one that gave up on its server just before that was back
            self.tick()
            for name in list(self._back_at):
                self._bring_back(name)
            self._stack.wait_until_ready(sorted(self.all))

    def _bring_back(self, name: str) -> None:
        self._back_at.pop(name, None)
        self._stack.begin_restart(name)
        self._started[name] = time.monotonic()
        self.groups.add(self._stack.processes[name].pid)

    def _thaw(self, name: str) -> None:
        if self._frozen_until.pop(name, None) is not None:
            self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.killpg(self._stack.processes[name].pid, number)
