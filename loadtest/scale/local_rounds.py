"""Real rounds of a plan on a local stack, with the processor time that all of its processes take for one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Final, Literal, Self

from fedface_cli.api_client import ControlApi
from fedface_core.domain.plan import Plan
from fedface_stack.stack import LocalStack
from loadtest.bench.completed_run import wait_for_completion
from loadtest.bench.probes import ProcessUsage
from loadtest.bench.stack_rounds import round_seconds

_ROUNDS: Final = 3


@dataclass(frozen=True)
class MeasuredRound:
    """A training round, as it was on a local stack."""

    seconds: float
    """From its opening to the end of its evaluation; the median of some rounds."""
    processor_seconds: float
    """Of all processes of the stack, the mean of these rounds."""


class LocalRounds:
    """A local stack in a directory of its own, ``folder``, from enter to exit: client workers, one for each core, and all
    else on this machine. Photographs below the folder may be read.
    """

    def __init__(self, artifacts: Literal["directory", "s3"], limit_seconds: float) -> None:
        self.folder = Path()
        self._artifacts = artifacts
        self._limit_seconds = limit_seconds
        self._stack: LocalStack
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Start the stack."""
        with self._resources as resources:
            self.folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="fedface-bench-")))
            self._stack = LocalStack(self.folder, artifacts=self._artifacts, photographs=[self.folder])
            resources.enter_context(self._stack)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the stack, and remove its directory."""
        self._resources.close()

    def measure(self, plan_of: Callable[[int], Plan]) -> MeasuredRound:
        """Measure rounds of ``plan_of(rounds)``, a plan of so many training rounds: first a run of one, to warm up, then one
        of one and one of several. What these take more is that of their further rounds, without enrolment.

        `RunDidNotCompleteError` if a run does not complete in time, or if a client fails.
        """
        self._run(plan_of(1))
        _, few = self._run(plan_of(1))
        seconds, many = self._run(plan_of(1 + _ROUNDS))
        return MeasuredRound(seconds, (many - few) / _ROUNDS)

    def _run(self, plan: Plan) -> tuple[float, float]:
        """Seconds of a training round, and the processor time of the run."""
        usage = ProcessUsage({name: process.pid for name, process in self._stack.processes.items()})
        with ControlApi(self._stack.api_url) as api:
            run_id = api.create(plan).id
            api.start(run_id)
            wait_for_completion(self._stack, api, run_id, time.monotonic() + self._limit_seconds)
            seconds = median(map(round_seconds, api.rounds(run_id).rounds[1:]))
        return seconds, sum(usage.cpu_seconds().values())
