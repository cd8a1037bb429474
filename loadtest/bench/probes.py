"""What is measured while a load runs: the API's latency as a caller sees it, and what each process of a stack uses."""

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
    """Takes a sample every ``seconds`` in a thread of its own, between enter and exit."""

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
        """Stop; what went wrong in the probe is raised here, unless the measured work went wrong itself."""
        self._done.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _sample_until_done(self) -> None:
        try:
            while not self._done.wait(self._seconds):
                self.sample()
        except Exception as error:  # raised again by __exit__: a measurement with holes is none
            self._error = error


class ApiLatency(Probe):
    """Reads ``paths`` of the API in turn, ten times a second at most, one request at a time."""

    def __init__(self, base_url: str, paths: Sequence[str]) -> None:
        super().__init__(seconds=0.1)
        self._http = httpx.Client(base_url=base_url, timeout=30.0, trust_env=False)
        self._paths = itertools.cycle(paths)
        self.seconds: list[float] = []

    def sample(self) -> None:
        """Time one request; anything but an answer 200 ends the measurement."""
        started = time.perf_counter()
        self._http.get(next(self._paths)).raise_for_status()
        self.seconds.append(time.perf_counter() - started)

    def percentiles_ms(self) -> dict[str, float]:
        """p50, p95 and p99 in milliseconds, by the nearest rank."""
        percents = (50, 95, 99)
        found = 1000 * np.percentile(self.seconds, percents, method="inverted_cdf")
        return {f"p{percent}": round(float(milliseconds), 2) for percent, milliseconds in zip(percents, found, strict=True)}


class ProcessUse(Probe):
    """CPU time and peak memory of each process with its children, summed (pages they share count once for each)."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        super().__init__(seconds=0.5)
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}
        self._cpu_before = self._cpu()
        self.peak_bytes: dict[str, float] = dict.fromkeys(processes, 0.0)

    def cpu_seconds(self) -> dict[str, float]:
        """User and system time of each since this probe was made, that of ended children included."""
        return {name: seconds - self._cpu_before[name] for name, seconds in self._cpu().items()}

    def sample(self) -> None:
        """Look at every process once."""
        for name, process in self._processes.items():
            resident = sum(_of_each(process, lambda one: one.memory_info().rss))
            self.peak_bytes[name] = max(self.peak_bytes[name], resident)

    def _cpu(self) -> dict[str, float]:
        """The four times of `psutil`: user, system, and both of children that have ended."""
        return {
            name: sum(_of_each(process, lambda one: sum(one.cpu_times()[:4]))) for name, process in self._processes.items()
        }


def _of_each(process: psutil.Process, ask: Callable[[psutil.Process], float]) -> Iterator[float]:
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # a child that has just ended
            yield ask(one)
