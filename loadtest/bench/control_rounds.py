"""Rounds of many clients whose training is a no-op, so that broker, ledger, store and services are measured alone.

Each measurement has its own local stack in a fresh directory. It runs enrolment and then training rounds with every client
in the cohort, while a probe reads the API all the time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fedface_cli.api_client import ControlApi
from fedface_cli.plan_files import make_part
from fedface_core.contracts.http import RoundView
from fedface_core.domain.plan import Plan
from fedface_stack.stack import LocalStack
from loadtest.bench.completed_run import wait_for_completion
from loadtest.bench.control_log import EventTimes, read_event_times
from loadtest.bench.no_op_plan import no_op_plan, write_noise_photographs
from loadtest.bench.probes import ApiLatency, ProcessUsage

ROUNDS = 3

# A spreadout step compares every client with every other one: with ten thousand it would take longer than all the rest.
_NO_SPREADOUT = {"spreadout": {"steps": 0}}


class RoundFigures(BaseModel):
    """A round: it is open while updates are taken, then aggregated, then evaluated."""

    model_config = ConfigDict(frozen=True)

    round: int
    accepted: int
    failed: int
    opening_seconds: float
    """From the change to phase `open` until the last task is published."""
    open_seconds: float
    aggregating_seconds: float
    evaluating_seconds: float
    turnover_seconds: float | None
    """From the round's close until the last task of the next round is published; None for the last round."""

    @property
    def seconds(self) -> float:
        """From the round's opening to its end."""
        return self.open_seconds + self.aggregating_seconds + self.evaluating_seconds

    @property
    def updates_per_second(self) -> float:
        """Accepted updates a second while the round was open."""
        return self.accepted / self.open_seconds

    @property
    def updates_per_second_in_all(self) -> float:
        """Accepted updates a second over the whole round, with its aggregation and its evaluation."""
        return self.accepted / self.seconds


class LoadFigures(BaseModel):
    """What `fedface bench control` measures of one run on a stack of its own."""

    model_config = ConfigDict(frozen=True)

    clients: int
    artifacts: Literal["directory", "s3"]
    delivery: Literal["single", "combined"] = "single"
    at_once: int = 1
    """How many clients trained at once."""
    seconds: float
    rounds: tuple[RoundFigures, ...]
    api_requests: int
    api_ms: dict[str, float]
    """p50, p95 and p99 of the API's latency in milliseconds, at ten requests a second at most."""
    cpu_seconds: dict[str, float]
    """Process of the stack → CPU time over the whole run, with that of its worker processes."""
    peak_mib: dict[str, float]
    """Process of the stack → its largest resident memory in MiB, with that of its worker processes."""

    @property
    def updates(self) -> int:
        """The accepted updates of all rounds."""
        return sum(figures.accepted for figures in self.rounds)

    @property
    def round_seconds(self) -> float:
        """The median seconds of the training rounds."""
        return median(figures.seconds for figures in self.rounds[1:])


def measure_rounds(
    clients: int,
    artifacts: Literal["directory", "s3"],
    limit_seconds: float,
    delivery: Literal["single", "combined"] = "single",
    at_once: int = 1,
) -> LoadFigures:
    """Start a stack, run the plan to its end, and measure it. `RunDidNotCompleteError` after ``limit_seconds``."""
    with tempfile.TemporaryDirectory(prefix="fedface-bench-") as workdir:
        photographs = write_noise_photographs(Path(workdir), clients)
        no_op = no_op_plan(clients, ROUNDS, limit_seconds, delivery, at_once)
        plan = make_part(Plan, no_op | _NO_SPREADOUT | photographs)
        stack = LocalStack(Path(workdir), artifacts=artifacts, photographs=[Path(workdir)])
        with stack, ControlApi(stack.api_url) as api:
            run_id = api.create(plan).id
            processes = {name: process.pid for name, process in stack.processes.items()}
            paths = (f"/v1/runs/{run_id}", "/v1/runs", f"/v1/runs/{run_id}/rounds")
            with ApiLatency(stack.api_url, paths) as latency, ProcessUsage(processes) as usage:
                started = time.monotonic()
                api.start(run_id)
                wait_for_completion(stack, api, run_id, started + limit_seconds)
                seconds = time.monotonic() - started
                cpu_seconds = usage.cpu_seconds()
            rounds = api.rounds(run_id).rounds
        times = read_event_times(stack.logs / "sweep.log")  # the stack has stopped, so all of the log is written
    return LoadFigures(
        clients=clients,
        artifacts=artifacts,
        delivery=delivery,
        at_once=at_once,
        seconds=seconds,
        rounds=_round_figures(rounds, times),
        api_requests=len(latency.seconds),
        api_ms=latency.percentiles_ms(),
        cpu_seconds=cpu_seconds,
        peak_mib={name: peak / 2**20 for name, peak in usage.peak_bytes.items()},
    )


def _round_figures(rounds: Sequence[RoundView], times: EventTimes) -> tuple[RoundFigures, ...]:
    following = {earlier.number: later.number for earlier, later in pairwise(rounds)}
    figures = []
    for view in rounds:
        number = view.number
        opened = times["round_opened", number]
        closed = times["round_closed", number]
        aggregated = times["round_aggregated", number]
        finished = times["round_finished", number]
        next_published = times["tasks_published", following[number]] if number in following else None
        figures.append(
            RoundFigures(
                round=number,
                accepted=view.accepted,
                failed=len(view.failed),
                opening_seconds=(times["tasks_published", number] - opened).total_seconds(),
                open_seconds=(closed - opened).total_seconds(),
                aggregating_seconds=(aggregated - closed).total_seconds(),
                evaluating_seconds=(finished - aggregated).total_seconds(),
                turnover_seconds=(next_published - closed).total_seconds() if next_published else None,
            )
        )
    return tuple(figures)
