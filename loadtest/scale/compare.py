"""The simulation beside real rounds on this machine, where everything shares its cores.

Beside the seconds of a round stands the processor time of all processes: it tells whether a difference is work or waiting,
and other work on the machine moves it less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any, Final, Literal

from fedface_cli.plan_files import make_part
from fedface_core.domain.network_size import network_size
from fedface_core.domain.plan import Plan
from loadtest.bench.machine import this_machine
from loadtest.bench.no_op_plan import no_op_plan, write_noise_photographs
from loadtest.bench.reference_workload import reference_plan
from loadtest.bench.report import BenchmarkReport, Column
from loadtest.bench.training_speeds import training_milliseconds
from loadtest.scale.deployment import Deployment, Workload
from loadtest.scale.local_rounds import LocalRounds
from loadtest.scale.service_times import ServiceTimes
from loadtest.scale.simulated_round import SimulatedRound, simulate_round

_ROUND_TRIP_MS: Final = 0.05
_TRAINED: Final = 40
"""So many clients train in each process, to measure what one takes."""
_IMAGES: Final = {"nothing": 2, "train": 10}
_NO_SPREADOUT: Final = {"spreadout": {"steps": 0}}

ArtifactsName = Literal["directory", "s3"]
DeliveryName = Literal["single", "combined"]
ClientsDo = Literal["nothing", "train"]


class ComparedRound(BenchmarkReport):
    """A round that was measured and simulated. The machine is that before the measurement."""

    clients: int
    clients_do: ClientsDo
    delivery: DeliveryName
    artifacts: ArtifactsName
    training_ms: float
    """The processor time of a client's training while each core trains one, with which the round was simulated."""
    measured_seconds: float
    simulated_seconds: float
    measured_processor_seconds: float
    """Of all processes and servers, for a round."""
    simulated_processor_seconds: float

    @property
    def ratio(self) -> float:
        """The measured seconds divided by the simulated ones."""
        return self.measured_seconds / self.simulated_seconds

    @property
    def processor_ratio(self) -> float:
        """The measured processor time divided by the simulated one."""
        return self.measured_processor_seconds / self.simulated_processor_seconds


class ComparisonReport(BenchmarkReport):
    """What `fedface bench scale --check` reports."""

    rounds: tuple[ComparedRound, ...]


def compare(
    no_op_sizes: Sequence[int],
    training_sizes: Sequence[int],
    delivery: DeliveryName,
    artifacts: ArtifactsName,
    limit_seconds: float,
    times: ServiceTimes,
) -> list[ComparedRound]:
    """Measure rounds of so many no-op clients, and of so many that train the reference workload, and simulate them on a
    machine with as many cores.
    """
    compared = []
    with LocalRounds(artifacts, limit_seconds) as rounds:
        for clients in no_op_sizes:
            plan_of = _no_op_plans(rounds.folder / str(clients), clients, delivery, limit_seconds)
            compared.append(_compared(rounds, plan_of, "nothing", artifacts, times))
        for clients in training_sizes:
            compared.append(_compared(rounds, _reference_plans(clients, delivery), "train", artifacts, times))
    return compared


def _no_op_plans(folder: Path, clients: int, delivery: DeliveryName, limit_seconds: float) -> Callable[[int], Plan]:
    folder.mkdir()
    photographs = write_noise_photographs(folder, clients)

    def plan_of(rounds: int) -> Plan:
        fields: dict[str, Any] = no_op_plan(clients, rounds, limit_seconds, delivery) | _NO_SPREADOUT | photographs
        return make_part(Plan, fields)

    return plan_of


def _reference_plans(clients: int, delivery: DeliveryName) -> Callable[[int], Plan]:
    return lambda rounds: reference_plan(clients, rounds, delivery=delivery)


def _compared(
    rounds: LocalRounds,
    plan_of: Callable[[int], Plan],
    clients_do: ClientsDo,
    artifacts: ArtifactsName,
    times: ServiceTimes,
) -> ComparedRound:
    machine = this_machine()
    plan = plan_of(1)
    measured = rounds.measure(plan_of)
    training_ms = training_ms_of_all_cores(plan, _IMAGES[clients_do], machine.cores)
    simulated = simulate_plan(plan, training_ms, artifacts, machine.cores, times)
    assert simulated.processor_seconds is not None, "everything shares the machine"
    return ComparedRound(
        machine=machine,
        clients=simulated.calls["begin_attempt"],
        clients_do=clients_do,
        delivery=plan.delivery,
        artifacts=artifacts,
        training_ms=training_ms,
        measured_seconds=measured.seconds,
        simulated_seconds=simulated.opened_next_at,
        measured_processor_seconds=measured.processor_seconds,
        simulated_processor_seconds=simulated.processor_seconds,
    )


def training_ms_of_all_cores(plan: Plan, images: int, cores: int) -> float:
    """The processor time of a training in milliseconds, while each core has a process that trains clients of so many
    images: on many machines cores share caches, so that one alone is faster.
    """
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        for clients in (1, _TRAINED):  # first, so that all processes have started
            train = partial(training_milliseconds, plan, images=images, clients=clients)
            taken = [future.result() for future in [pool.submit(train) for _ in range(cores)]]
    return mean(taken)


def simulate_plan(
    plan: Plan, training_ms: float, artifacts: ArtifactsName, cores: int, times: ServiceTimes
) -> SimulatedRound:
    """Simulate a round of the plan on a local stack, which has a client worker for each core. All clients are in the cohort,
    and train for so long.
    """
    workload = Workload(
        clients=plan.split.clients,
        training_ms=training_ms,
        update_megabytes=4 * network_size(plan.model).parameters / 1e6,
        delivery=plan.delivery,
        shard_size=plan.cohort.shard_size,
        spreadout_steps=plan.spreadout.steps,
    )
    stack = Deployment(client_workers=cores, cores=cores, store=artifacts, round_trip_ms=_ROUND_TRIP_MS)
    return simulate_round(workload, stack, times)


def columns(compared: Sequence[ComparedRound]) -> tuple[Column, ...]:
    """A row for each round."""
    return (
        Column(head="clients", cells=tuple(f"{one.clients:,}" for one in compared)),
        Column(head="do", cells=tuple(one.clients_do for one in compared)),
        Column(head="measured, s", cells=tuple(f"{one.measured_seconds:.3g}" for one in compared)),
        Column(head="simulated, s", cells=tuple(f"{one.simulated_seconds:.3g}" for one in compared)),
        Column(head="ratio", cells=tuple(f"{one.ratio:.2f}" for one in compared)),
        Column(head="processor, s", cells=tuple(f"{one.measured_processor_seconds:.3g}" for one in compared)),
        Column(head="simulated, s", cells=tuple(f"{one.simulated_processor_seconds:.3g}" for one in compared)),
        Column(head="ratio", cells=tuple(f"{one.processor_ratio:.2f}" for one in compared)),
    )
