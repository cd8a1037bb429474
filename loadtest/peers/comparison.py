"""Measures all systems in turns, and compares their round times with those of the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from loadtest.bare.networks import plain_network
from loadtest.bare.workload import Workload
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated, ratios
from loadtest.bench.report import BenchmarkReport
from loadtest.peers.agreement import check_agreement
from loadtest.peers.environments import EnvironmentUnavailableError, prepare_environment
from loadtest.peers.measure import Repetition
from loadtest.peers.systems import LIMITS, System


class SystemFigures(BaseModel):
    """What was measured of one system."""

    model_config = ConfigDict(frozen=True)

    name: str
    label: str
    torch: str
    start_seconds: Repeated
    warm_up_seconds: Repeated
    round_seconds: Repeated
    """The median of each repetition's rounds that count."""
    rounds: tuple[tuple[float, ...], ...]
    """The seconds of every round that counts, by repetition."""
    cpu_seconds: Repeated
    """CPU time of a round, of all processes."""
    clients_per_second: float
    speeds: dict[str, Repeated]
    """Limit → its round time divided by this system's, repetition by repetition: 1 is as fast as the limit."""
    largest_difference: float
    """Between this system's model and that of the first system after the first round, over all repetitions."""


class Comparison(BenchmarkReport):
    """What `fedface bench peers` reports."""

    size: str
    clients: int
    images: int
    steps: int
    parameters: int
    repetitions: int
    rounds: int
    systems: tuple[SystemFigures, ...]
    unavailable: dict[str, str]
    """System → why its environment could not be prepared."""


def prepare_environments(systems: Sequence[System], folder: Path) -> tuple[dict[str, Path | None], dict[str, str]]:
    """Prepare the environments of the peers among these systems, in ``folder``.

    Returns system → its Python (None for a system of FedFace), and system → why its environment could not be prepared.
    """
    pythons: dict[str, Path | None] = {}
    unavailable: dict[str, str] = {}
    for system in systems:
        try:
            pythons[system.name] = prepare_environment(system.environment, folder) if system.environment else None
        except EnvironmentUnavailableError as error:
            unavailable[system.name] = str(error)
    return pythons, unavailable


def compare(
    size: str,
    workload: Workload,
    systems: Sequence[System],
    measure: Callable[[System, int], Repetition],
    repetitions: int,
    unavailable: Mapping[str, str],
) -> Comparison:
    """Measure ``systems`` in turns with ``measure(system, number of the repetition)``, and compare them.

    `ModelsDisagreeError` if the model of a system differs from that of the first one after the first round.
    """
    machine = this_machine()
    measurements: dict[str, list[Repetition]] = {system.name: [] for system in systems}
    differences = dict.fromkeys(measurements, 0.0)
    for repetition in range(repetitions):
        for system in systems:
            measured = measure(system, repetition)
            measurements[system.name].append(measured)
            reference = measurements[systems[0].name][0].first_model
            difference = check_agreement(measured.first_model, reference, system.label, systems[0].label)
            differences[system.name] = max(differences[system.name], difference)
    clients, images = workload.images_CNCHW.shape[:2]
    medians = {name: [one.round_median for one in repeated] for name, repeated in measurements.items()}
    limits = {name: medians[name] for name in LIMITS if name in medians}
    return Comparison(
        machine=machine,
        size=size,
        clients=clients,
        images=images,
        steps=workload.local.steps,
        parameters=sum(parameter.numel() for parameter in plain_network(workload.network).parameters()),
        repetitions=repetitions,
        rounds=len(measurements[systems[0].name][0].round_seconds),
        systems=tuple(
            _figures(system, measurements[system.name], clients, limits, differences[system.name]) for system in systems
        ),
        unavailable=dict(unavailable),
    )


def _figures(
    system: System,
    measurements: Sequence[Repetition],
    clients: int,
    limits: Mapping[str, Sequence[float]],
    difference: float,
) -> SystemFigures:
    round_seconds = Repeated(values=tuple(one.round_median for one in measurements))
    return SystemFigures(
        name=system.name,
        label=system.label,
        torch=measurements[0].torch,
        start_seconds=Repeated(values=tuple(one.start_seconds for one in measurements)),
        warm_up_seconds=Repeated(values=tuple(one.warm_up_seconds for one in measurements)),
        round_seconds=round_seconds,
        rounds=tuple(one.round_seconds for one in measurements),
        cpu_seconds=Repeated(values=tuple(one.cpu_seconds for one in measurements)),
        clients_per_second=clients / round_seconds.median,
        speeds={name: ratios(limit, round_seconds.values) for name, limit in limits.items()},
        largest_difference=difference,
    )
