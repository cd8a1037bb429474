"""The processor time of processes and of all that they have started, between two moments. It reads Linux's /proc."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from loadtest.bench.probes import Probe

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuSeconds:
    """Processor time in seconds, of a process and of all processes that come from it."""

    own: float = 0.0
    """Of the process, in all its threads."""
    main_threads: float = 0.0
    """Of the main threads of the processes that come from it."""
    other_threads: float = 0.0
    """Of all their other threads, with those that have ended."""

    @property
    def total(self) -> float:
        """Of all of them."""
        return self.own + self.main_threads + self.other_threads


class CpuMeter(Probe):
    """Reads processor times four times a second, and once at its exit.

    The last reading of a process that has ended still counts.
    """

    def __init__(self, processes: Mapping[str, int]) -> None:
        """``processes``: name → the id of a process, which is measured with what it has started. None comes from another."""
        super().__init__(seconds=0.25)
        running = _running_processes()
        self._roots = {name: running.get(pid) for name, pid in processes.items()}
        self._used: dict[_Process, CpuSeconds] = {}
        self._owners: dict[_Process, str] = {}
        self.readings: list[Reading] = []
        self.sample()

    def sample(self) -> None:
        """Read the processor time that every process has used so far."""
        running = _running_processes()
        children: dict[int, list[_Process]] = defaultdict(list)
        for process in running.values():
            children[process.parent].append(process)
        for name, root in self._roots.items():
            if root is None or running.get(root.pid) != root:
                continue  # it has ended
            for process in _with_descendants(root, children):
                with suppress(ProcessLookupError, FileNotFoundError):  # it has just ended
                    self._used[process] = _own_seconds(process) if process == root else _seconds_by_thread(process)
                    self._owners[process] = name
        used = dict.fromkeys(self._roots, CpuSeconds())
        for process, seconds in self._used.items():
            name = self._owners[process]
            used[name] = CpuSeconds(*map(sum, zip(astuple(used[name]), astuple(seconds), strict=True)))
        self.readings.append(Reading(time.time(), _idle_seconds(), used))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, after one more reading."""
        super().__exit__(kind, error, traceback)
        self.sample()

    def between(self, begin: float, end: float) -> dict[str, CpuSeconds]:
        """Name → the processor time between two moments (seconds since 1970), interpolated linearly between the readings."""
        moments = [reading.moment for reading in self.readings]

        def grown(name: str, part: str) -> float:
            at_begin, at_end = np.interp([begin, end], moments, [getattr(each.used[name], part) for each in self.readings])
            return max(0.0, float(at_end - at_begin))  # a thread's time is rounded otherwise than its process's

        return {
            name: CpuSeconds(grown(name, "own"), grown(name, "main_threads"), grown(name, "other_threads"))
            for name in self._roots
        }

    def idle_between(self, begin: float, end: float) -> float:
        """Seconds for which this machine's cores did nothing between two moments, over all cores."""
        moments = [reading.moment for reading in self.readings]
        at_begin, at_end = np.interp([begin, end], moments, [reading.idle_seconds for reading in self.readings])
        return float(at_end - at_begin)


@dataclass(frozen=True)
class Reading:
    """What was read at one moment."""

    moment: float
    """Seconds since 1970."""
    idle_seconds: float
    """For which the cores have been idle since the machine started, over all cores."""
    used: Mapping[str, CpuSeconds]
    """Name of a process → what it and those that come from it have used so far."""


@dataclass(frozen=True)
class _Process:
    """A process. Its id may be another's after its end; with the time of its start it is its own."""

    pid: int
    started: int
    parent: int = field(compare=False)
    """The id of the process that it comes from; another one's once that has ended."""


def _running_processes() -> dict[int, _Process]:
    found = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            with suppress(ProcessLookupError, FileNotFoundError):  # it has just ended
                fields = _stat_fields(folder / "stat")
                found[int(folder.name)] = _Process(int(folder.name), started=int(fields[19]), parent=int(fields[1]))
    return found


def _with_descendants(root: _Process, children: Mapping[int, list[_Process]]) -> Iterator[_Process]:
    yield root
    for child in children.get(root.pid, ()):
        yield from _with_descendants(child, children)


def _own_seconds(process: _Process) -> CpuSeconds:
    return CpuSeconds(own=_seconds(_PROC / str(process.pid) / "stat"))


def _seconds_by_thread(process: _Process) -> CpuSeconds:
    """Of threads that have ended, only the process's sum has the time; so the others are what is left of it."""
    pid = str(process.pid)
    main_thread = _seconds(_PROC / pid / "task" / pid / "stat")
    return CpuSeconds(main_threads=main_thread, other_threads=max(0.0, _seconds(_PROC / pid / "stat") - main_thread))


def _seconds(stat: Path) -> float:
    """User and system time of a process or a thread."""
    fields = _stat_fields(stat)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _stat_fields(stat: Path) -> list[str]:
    """What stands after the name, which may itself have spaces and parentheses: the third field of `proc(5)` and on."""
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _idle_seconds() -> float:
    """Idle and waiting for a disk; the first line is of all cores."""
    with (_PROC / "stat").open(encoding="utf-8") as file:
        _name, _user, _nice, _system, idle, waiting, *_ = file.readline().split()
    return (int(idle) + int(waiting)) / _TICKS
