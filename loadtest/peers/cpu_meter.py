"""The CPU time of a process and all its descendants between two moments."""

from __future__ import annotations

import time

import numpy as np
import psutil

from loadtest.bench.probes import Probe


class CpuMeter(Probe):
    """Reads CPU times four times a second. The last reading of a process that has ended still counts."""

    def __init__(self, pid: int) -> None:
        super().__init__(seconds=0.25)
        self._root = psutil.Process(pid)
        self._used: dict[int, float] = {}
        self.readings: list[tuple[float, float]] = [(time.time(), 0.0)]
        """Moments (seconds since 1970), and the CPU seconds used until then."""

    def sample(self) -> None:
        """Read the CPU time that every process has used so far."""
        try:
            processes = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:  # it has just ended
            return
        for process in processes:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            self._used[process.pid] = times.user + times.system
        self.readings.append((time.time(), sum(self._used.values())))

    def between(self, begin: float, end: float) -> float:
        """CPU seconds between two moments (seconds since 1970), interpolated linearly between the readings."""
        moments, used = zip(*self.readings, strict=True)
        at_begin, at_end = np.interp([begin, end], moments, used)
        return float(at_end - at_begin)
