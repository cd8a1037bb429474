"""Rounds of many clients whose training is a no-op: what is left is the broker, the ledger, the store and the services.

Each measurement has a local stack of its own, in a directory of its own: enrolment, then training rounds with every client
in the cohort, while somebody reads the API all the time.
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
from loadtest.bench.control_log import Moments, read_moments
from loadtest.bench.no_op_plan import no_op_people, no_op_plan
from loadtest.bench.probes import ApiLatency, ProcessUse

ROUNDS = 3

# A spreadout step compares every client with every other: at ten thousand it would take longer than all that is measured.
_ONLY_SERVICES = {"spreadout": {"steps": 0}}


class Figures(BaseModel):
    """Common to the parts of a measurement."""

    model_config = ConfigDict(frozen=True)


class RoundFigures(Figures):
    """One round: open while updates are taken, then aggregated, then evaluated."""

    round: int
    accepted: int
    failed: int
    opening_seconds: float
    """From the turn of the phase to the last task published."""
    open_seconds: float
    aggregating_seconds: float
    evaluating_seconds: float
    turnover_seconds: float | None
    """From its close to the last task of the next round published; none for the last round."""

    @property
    def seconds(self) -> float:
        """From its opening to its end."""
        return self.open_seconds + self.aggregating_seconds + self.evaluating_seconds

    @property
    def updates_per_second(self) -> float:
        """While it was open."""
        return self.accepted / self.open_seconds

    @property
    def updates_per_second_in_all(self) -> float:
        """Opening, aggregation and evaluation included: end to end."""
        return self.accepted / self.seconds


class LoadFigures(Figures):
    """A run on a stack of its own."""

    clients: int
    artifacts: Literal["directory", "s3"]
    seconds: float
    rounds: tuple[RoundFigures, ...]
    api_requests: int
    api_ms: dict[str, float]
    """p50, p95 and p99 of the API, read ten times a second at most."""
    cpu_seconds: dict[str, float]
    """Of each process of the stack, its worker processes included, over the whole run."""
    peak_mib: dict[str, float]

    @property
    def updates(self) -> int:
        """Of all rounds."""
        return sum(figures.accepted for figures in self.rounds)

    @property
    def round_seconds(self) -> float:
        """The median over the training rounds."""
        return median(figures.seconds for figures in self.rounds[1:])


def measure_rounds(clients: int, artifacts: Literal["directory", "s3"], limit_seconds: float) -> LoadFigures:
    """Start a stack, run the plan to its end, and say what it took. `RunDidNotCompleteError` past ``limit_seconds``."""
    with tempfile.TemporaryDirectory(prefix="fedface-bench-") as workdir:
        plan = make_part(
            Plan, no_op_plan(clients, ROUNDS, limit_seconds) | _ONLY_SERVICES | no_op_people(Path(workdir), clients)
        )
        with LocalStack(Path(workdir), artifacts=artifacts) as stack, ControlApi(stack.api_url) as api:
            run_id = api.create(plan).id
            processes = {name: process.pid for name, process in stack.processes.items()}
            read = (f"/runs/{run_id}", "/runs", f"/runs/{run_id}/rounds")
            with ApiLatency(stack.api_url, read) as latency, ProcessUse(processes) as use:
                started = time.monotonic()
                api.start(run_id)
                wait_for_completion(stack, api, run_id, started + limit_seconds)
                seconds, cpu_seconds = time.monotonic() - started, use.cpu_seconds()
            rounds = api.rounds(run_id).rounds
        moments = read_moments(stack.logs / "control.log")  # once the stack has stopped, and all of it is written
    return LoadFigures(
        clients=clients,
        artifacts=artifacts,
        seconds=seconds,
        rounds=_round_figures(rounds, moments),
        api_requests=len(latency.seconds),
        api_ms=latency.percentiles_ms(),
        cpu_seconds=cpu_seconds,
        peak_mib={name: peak / 2**20 for name, peak in use.peak_bytes.items()},
    )


def _round_figures(rounds: Sequence[RoundView], moments: Moments) -> tuple[RoundFigures, ...]:
    of_next = {earlier.number: later.number for earlier, later in pairwise(rounds)}
    figures = []
    for view in rounds:
        number = view.number
        opened, closed = moments["round_opened", number], moments["round_closed", number]
        aggregated, finished = moments["round_aggregated", number], moments["round_finished", number]
        next_published = moments["tasks_published", of_next[number]] if number in of_next else None
        figures.append(
            RoundFigures(
                round=number,
                accepted=view.accepted,
                failed=len(view.failed),
                opening_seconds=(moments["tasks_published", number] - opened).total_seconds(),
                open_seconds=(closed - opened).total_seconds(),
                aggregating_seconds=(aggregated - closed).total_seconds(),
                evaluating_seconds=(finished - aggregated).total_seconds(),
                turnover_seconds=(next_published - closed).total_seconds() if next_published else None,
            )
        )
    return tuple(figures)
