"""Probes measure while a load runs: the API's latency as a caller sees it, and what each process of a stack uses."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx
import numpy as np
import psutil


class Probe:
    """Takes a sample every ``seconds`` in its own thread, from enter to exit."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_done)
        self._error: Exception | None = None

    def sample(self) -> None:
        """Take one sample."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop sampling. An error of the probe is raised here, unless the measured work raised one itself."""
        self._done.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _sample_until_done(self) -> None:
        try:
            while not self._done.wait(self._seconds):
                self.sample()
        except Exception as error:  # `__exit__` raises it: a measurement with gaps is worth nothing
            self._error = error


class ApiLatency(Probe):
    """Requests ``paths`` of the API in turn, one at a time and ten a second at most; ``seconds`` has the latencies."""

    def __init__(self, base_url: str, paths: Sequence[str]) -> None:
        super().__init__(seconds=0.1)
        self._http = httpx.Client(base_url=base_url, timeout=30.0, trust_env=False)
        self._paths = itertools.cycle(paths)
        self.seconds: list[float] = []

    def sample(self) -> None:
        """Time one request. `httpx.HTTPError` if the answer is not 200."""
        started = time.perf_counter()
        self._http.get(next(self._paths)).raise_for_status()
        self.seconds.append(time.perf_counter() - started)

    def percentiles_ms(self) -> dict[str, float]:
        """p50, p95 and p99 of the latencies in milliseconds, by the nearest rank."""
        percents = (50, 95, 99)
        found = 1000 * np.percentile(self.seconds, percents, method="inverted_cdf")
        return {f"p{percent}": round(float(milliseconds), 2) for percent, milliseconds in zip(percents, found, strict=True)}


class ProcessUsage(Probe):
    """CPU time and peak resident memory of each named process, summed over the process and its descendants.

    A page that processes share counts once for each of them.
    """

    def __init__(self, processes: Mapping[str, int]) -> None:
        super().__init__(seconds=0.5)
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}
        self._cpu_before = self._cpu()
        self.peak_bytes: dict[str, float] = dict.fromkeys(processes, 0.0)

    def cpu_seconds(self) -> dict[str, float]:
        """Name → user and system time since this probe was made, with that of children that have ended."""
        return {name: seconds - self._cpu_before[name] for name, seconds in self._cpu().items()}

    def sample(self) -> None:
        """Read the memory of every process once."""
        for name, process in self._processes.items():
            resident = sum(_read_each(process, lambda one: one.memory_info().rss))
            self.peak_bytes[name] = max(self.peak_bytes[name], resident)

    def _cpu(self) -> dict[str, float]:
        """The sum of the first four times of `psutil`: user, system, and both of children that have ended."""
        return {
            name: sum(_read_each(process, lambda one: sum(one.cpu_times()[:4]))) for name, process in self._processes.items()
        }


def _read_each(process: psutil.Process, read: Callable[[psutil.Process], float]) -> Iterator[float]:
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # the child has just ended
            yield read(one)
