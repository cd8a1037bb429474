"""The simulation beside real rounds on this machine: rounds of no-op clients on a local stack, at some sizes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

from loadtest.bench.control_rounds import measure_rounds
from loadtest.bench.machine import this_machine
from loadtest.bench.report import BenchmarkReport, Column
from loadtest.scale.deployment import Deployment, Workload
from loadtest.scale.service_times import ServiceTimes
from loadtest.scale.simulated_round import simulate_round

_UPDATE_MEGABYTES: Final = 0.009  # of the network of 2,060 parameters
_STEP_MS: Final = 0.01  # they take no step
_ROUND_TRIP_MS: Final = 0.05


class ComparedRound(BenchmarkReport):
    """A round that was measured and simulated. The machine is that before the measurement."""

    clients: int
    artifacts: Literal["directory", "s3"]
    measured_seconds: float
    simulated_seconds: float

    @property
    def ratio(self) -> float:
        """The measured seconds divided by the simulated ones."""
        return self.measured_seconds / self.simulated_seconds


class ComparisonReport(BenchmarkReport):
    """What `fedface bench scale --check` reports."""

    rounds: tuple[ComparedRound, ...]


def compare(
    sizes: Sequence[int], artifacts: Literal["directory", "s3"], limit_seconds: float, times: ServiceTimes
) -> list[ComparedRound]:
    """Measure a round of each size on this machine, and simulate it on one with as many cores."""
    compared = []
    for clients in sizes:
        machine = this_machine()
        compared.append(
            ComparedRound(
                machine=machine,
                clients=clients,
                artifacts=artifacts,
                measured_seconds=measure_rounds(clients, artifacts, limit_seconds).round_seconds,
                simulated_seconds=simulated_seconds(clients, artifacts, machine.cores, times),
            )
        )
    return compared


def simulated_seconds(clients: int, artifacts: Literal["directory", "s3"], cores: int, times: ServiceTimes) -> float:
    """The simulated seconds of a round of no-op clients on a local stack, which has a client worker for each core."""
    workload = Workload(clients=clients, training_ms=_STEP_MS, update_megabytes=_UPDATE_MEGABYTES, spreadout_steps=0)
    stack = Deployment(client_workers=cores, cores=cores, store=artifacts, round_trip_ms=_ROUND_TRIP_MS)
    return simulate_round(workload, stack, times).opened_next_at


def columns(compared: Sequence[ComparedRound]) -> tuple[Column, ...]:
    """A row for each size. The last column says how the round grew from the size before, in both."""
    grown = ["", *(_growth(before, after) for before, after in pairwise(compared))]
    return (
        Column(head="clients", cells=tuple(f"{one.clients:,}" for one in compared)),
        Column(head="measured, s", cells=tuple(f"{one.measured_seconds:.2f}" for one in compared)),
        Column(head="simulated, s", cells=tuple(f"{one.simulated_seconds:.2f}" for one in compared)),
        Column(
            head="measured : simulated",
            cells=tuple(f"{one.ratio:.2f}" for one in compared),
        ),
        Column(head="growth, measured and simulated", cells=tuple(grown)),
    )


def _growth(before: ComparedRound, after: ComparedRound) -> str:
    measured = after.measured_seconds / before.measured_seconds
    return f"{measured:.2f}, {after.simulated_seconds / before.simulated_seconds:.2f}"
