"""How much CPU time a process and all its descendants have used, by the clock."""

from __future__ import annotations

import time

import numpy as np
import psutil

from loadtest.bench.probes import Probe


class CpuMeter(Probe):
    """Looks four times a second. What a process used before it ended counts on, as far as it was seen."""

    def __init__(self, pid: int) -> None:
        super().__init__(seconds=0.25)
        self._root = psutil.Process(pid)
        self._used: dict[int, float] = {}
        self._looks: list[tuple[float, float]] = [(time.time(), 0.0)]

    def sample(self) -> None:
        """Add up what every process has used so far."""
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
        self._looks.append((time.time(), sum(self._used.values())))

    def between(self, begin: float, end: float) -> float:
        """CPU seconds between two moments (seconds since 1970), read off the line through the looks."""
        moments, used = zip(*self._looks, strict=True)
        at_begin, at_end = np.interp([begin, end], moments, used)
        return float(at_end - at_begin)
