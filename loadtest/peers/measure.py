"""One repetition of one system: start it, let it run its rounds, and read when they ended and their CPU time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from torch import Tensor

from fedface_core.domain.errors import FedFaceError
from fedface_stack.children import Children
from loadtest.bench.cpu_meter import CpuMeter
from loadtest.peers.environments import ROOT
from loadtest.peers.runner_result import read_runner_result
from loadtest.peers.systems import System

_LAST_LINES = 30


class RunnerFailedError(FedFaceError):
    """A system did not finish its rounds."""

    title = "Runner"


@dataclass(frozen=True)
class Repetition:
    """What was measured in one repetition of one system."""

    start_seconds: float
    """From the start of the system's process to the beginning of its first round."""
    warm_up_seconds: float
    """The first round."""
    round_seconds: tuple[float, ...]
    """The rounds that count."""
    cpu_seconds: float
    """Mean CPU time of a round that counts, of all processes: it says less than wall time, and has less noise."""
    first_model: Mapping[str, Tensor]
    """The global model after the first round."""
    torch: str
    """The version of torch."""

    @property
    def round_median(self) -> float:
        """The median of the rounds that count: the repetition's figure."""
        return median(self.round_seconds)


def measure(
    system: System, python: Path | None, workload: Path, rounds: int, folder: Path, limit_seconds: float
) -> Repetition:
    """Run ``system`` with ``python`` (None: this one) for a round to warm up and ``rounds`` that count.

    ``workload`` is the file that the system reads; its result and its log go to ``folder``. `RunnerFailedError` if it ends
    with an error or does not end in time, with the end of its log.
    """
    result_file = folder / f"{system.name}.safetensors"
    log = folder / f"{system.name}.log"
    result_file.unlink(missing_ok=True)
    runner = ("loadtest.peers.runners", system.runner, system.variant, str(workload), str(rounds + 1), str(result_file))
    command = (str(python or sys.executable), "-P", "-m", *system.launcher, *runner)
    with closing(Children()) as children:
        started = time.time()
        process = children.start(command, _environment(system), log)
        with CpuMeter({system.name: process.pid}) as meter:
            try:
                status = process.wait(limit_seconds)
            except subprocess.TimeoutExpired:
                status = None
        children.kill(process)
    if status != 0 or not result_file.is_file():
        how = "did not end in time" if status is None else f"ended with status {status}"
        log_end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:])
        raise RunnerFailedError(f"{system.label} {how}; the end of its log:\n{log_end}")
    result = read_runner_result(result_file)
    warm_up, *counted = result.rounds
    return Repetition(
        start_seconds=result.moments[0] - started,
        warm_up_seconds=warm_up,
        round_seconds=tuple(counted),
        cpu_seconds=meter.between(result.moments[1], result.moments[-1])[system.name].total / rounds,
        first_model=result.first_model,
        torch=result.torch,
    )


def _environment(system: System) -> dict[str, str]:
    """This process's environment, with one thread a process; a peer can import only from this checkout's root."""
    path = {} if system.environment is None else {"PYTHONPATH": str(ROOT)}
    return {**os.environ, "OMP_NUM_THREADS": "1", **path, **system.variables}
