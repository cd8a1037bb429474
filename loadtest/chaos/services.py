"""The processes of a stack as an adversary sees them: which it can kill now, and which start again when."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from contextlib import suppress

from fedface_stack.stack import LocalStack, StackError

_STABLE_SECONDS = 8.0  # a service is not killed so soon after its start: to kill it while it loads proves little
LONGEST_ABSENCE = 3.0
FREEZE_SECONDS = (1.0, 4.0)
CUT_SECONDS = (6.0, 10.0)
_DAY = 86_400.0
WRONG_BY_SECONDS = (2 * _DAY, 7 * _DAY)  # longer than the deadline of a round, a day, and than any time limit
FULL_SECONDS = (6.0, 10.0)


class Services:
    """Kills, freezes and restarts the services and servers of a stack. No method but `restart_all` waits; `tick` goes on.

    ``groups`` has the process group of every process that was started; ``ended`` names those that ended by themselves.
    """

    def __init__(self, stack: LocalStack, draws: random.Random) -> None:
        self._stack = stack
        self._draws = draws
        self._started = dict.fromkeys(stack.processes, 0.0)
        self._restart_at: dict[str, float] = {}
        self._frozen_until: dict[str, float] = {}
        self._wrong_clocks: set[str] = set()
        self._full_until: dict[str, float] = {}
        self.writes_refused: list[bool] = []
        """Of each `fill`: whether the service refused to store something just after it."""
        self.groups = {process.pid for process in stack.processes.values()}
        self.ended: list[str] = []

    @property
    def names(self) -> set[str]:
        """Every service and server of the stack."""
        return set(self._started)

    @property
    def running(self) -> set[str]:
        """The services that were not killed or have been started again."""
        return self.names - self._restart_at.keys()

    @property
    def stable(self) -> set[str]:
        """The running services that started more than some seconds ago, and may be killed."""
        now = time.monotonic()
        return {name for name in self.running if now - self._started[name] >= _STABLE_SECONDS}

    def kill(self, name: str) -> None:
        """SIGKILL a service with its worker processes. `tick` starts it again after up to `LONGEST_ABSENCE` seconds."""
        self._stack.kill(name)
        self._frozen_until.pop(name, None)
        self._full_until.pop(name, None)
        self._restart_at[name] = time.monotonic() + self._draws.uniform(0.0, LONGEST_ABSENCE)

    def freeze(self, name: str) -> None:
        """Stop a service for some seconds in the middle of its work (SIGSTOP): it takes connections and does not answer."""
        self._signal(name, signal.SIGSTOP)
        self._frozen_until[name] = time.monotonic() + self._draws.uniform(*FREEZE_SECONDS)

    def cut(self, name: str) -> None:
        """Shut a service down (SIGTERM), and leave it down for longer than the retries of its clients."""
        self._thaw(name)
        self._full_until.pop(name, None)
        self._signal(name, signal.SIGTERM)
        self._restart_at[name] = time.monotonic() + self._draws.uniform(*CUT_SECONDS)

    def put_clock_wrong(self, name: str) -> None:
        """Restart a service as on a machine whose clock is days ahead or behind. Each later start draws another time."""
        self._wrong_clocks.add(name)
        self._restart(name)

    def fill(self, name: str) -> None:
        """Let a server's disk be full for longer than the retries of its clients: the server reads, and cannot write.

        The kernel refuses every write of the process to a file (RLIMIT_FSIZE), which needs no root and no disk of its own.
        The error is EFBIG in place of ENOSPC. A probe shows that the server now refuses what it is given to store.
        """
        self._thaw(name)
        _limit_file_size(self._stack.processes[name].pid, 0)
        self._full_until[name] = time.monotonic() + self._draws.uniform(*FULL_SECONDS)
        self.writes_refused.append(not self._stack.is_ready(name))

    def tick(self, kept_dead: str | None = None) -> None:
        """Restart, thaw and give space to the services that are due; add to ``ended`` those that ended meanwhile.

        ``kept_dead`` is not restarted.
        """
        now = time.monotonic()
        for name in self._stack.ended():
            if name not in self._restart_at:
                self.ended.append(name)
                self._restart_at[name] = now + self._draws.uniform(0.0, LONGEST_ABSENCE)
        for name, at in list(self._restart_at.items()):
            if now >= at and name != kept_dead:
                self._restart(name)
        for name, until in list(self._frozen_until.items()):
            if now >= until:
                self._thaw(name)
        for name, until in list(self._full_until.items()):
            if now >= until:
                self._give_space(name)

    def restart_all(self) -> None:
        """Thaw, give space to and restart everything, the servers first, and return once all of it can work."""
        for name in list(self._frozen_until):
            self._thaw(name)
        for name in list(self._full_until):
            self._give_space(name)
        servers = sorted(self.names & {"valkey", "s3"})
        for name in self._restart_at.keys() & set(servers):
            self._restart(name)
        self._stack.wait_until_ready(servers)
        for name in list(self._restart_at):
            self._restart(name)
        try:
            self._stack.wait_until_ready(sorted(self.names))
        except StackError:  # a service gave up on its server just before the server was back
            self.tick()
            for name in list(self._restart_at):
                self._restart(name)
            self._stack.wait_until_ready(sorted(self.names))

    def _restart(self, name: str) -> None:
        self._restart_at.pop(name, None)
        self._full_until.pop(name, None)
        self._stack.begin_restart(name, self._wrong_clock() if name in self._wrong_clocks else ())
        self._started[name] = time.monotonic()
        self.groups.add(self._stack.processes[name].pid)

    def _wrong_clock(self) -> tuple[str, str]:
        """The module that runs a service with a wrong clock, and its argument."""
        seconds = self._draws.choice((-1, 1)) * self._draws.uniform(*WRONG_BY_SECONDS)
        return "loadtest.chaos.wrong_clock", f"{seconds:.0f}"

    def _thaw(self, name: str) -> None:
        if self._frozen_until.pop(name, None) is not None:
            self._signal(name, signal.SIGCONT)

    def _give_space(self, name: str) -> None:
        self._thaw(name)
        del self._full_until[name]
        with suppress(ProcessLookupError):  # it has just ended by itself
            _limit_file_size(self._stack.processes[name].pid, resource.RLIM_INFINITY)
        # If the disk fills up in the middle of a put, that part of SeaweedFS' index of names takes nothing more until a
        # restart. It has several parts, so that no probe can tell. An operator restarts it, and so do we.
        self.kill(name)

    def _signal(self, name: str, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.killpg(self._stack.processes[name].pid, number)


def _limit_file_size(pid: int, most: int) -> None:
    """Set the soft limit of a process: a write that would make a file longer than ``most`` bytes fails. Linux only."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    soft = hard if most == resource.RLIM_INFINITY else most
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
