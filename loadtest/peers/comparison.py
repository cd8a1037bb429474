"""The figures of all systems, by turns, and their ratios to the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from loadtest.bare.networks import plain_network
from loadtest.bare.workload import Workload
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated, ratios
from loadtest.bench.report import Report
from loadtest.peers.agreement import check_agreement
from loadtest.peers.environments import EnvironmentUnavailableError, python_of
from loadtest.peers.measure import Measured
from loadtest.peers.systems import LIMITS, System


class SystemFigures(BaseModel):
    """One system."""

    model_config = ConfigDict(frozen=True)

    name: str
    label: str
    torch: str
    start_seconds: Repeated
    warm_up_seconds: Repeated
    round_seconds: Repeated
    """Of each repetition the median of its rounds."""
    rounds: tuple[tuple[float, ...], ...]
    """Every round that counts, by repetition."""
    cpu_seconds: Repeated
    clients_per_second: float
    speeds: dict[str, Repeated]
    """Limit → the limit's round time by this system's, repetition by repetition: 1 is as fast as the limit."""
    largest_difference: float
    """Of its model from the first system's, after the first round, over all repetitions."""


class Comparison(Report):
    """What is reported."""

    size: str
    clients: int
    images: int
    steps: int
    parameters: int
    repetitions: int
    rounds: int
    systems: tuple[SystemFigures, ...]
    unavailable: dict[str, str]
    """System → why its environment could not be made."""


def interpreters(systems: Sequence[System], folder: Path) -> tuple[dict[str, Path | None], dict[str, str]]:
    """System → its Python, none for ours; and system → why it has none."""
    found: dict[str, Path | None] = {}
    unavailable: dict[str, str] = {}
    for system in systems:
        try:
            found[system.name] = python_of(system.environment, folder) if system.environment else None
        except EnvironmentUnavailableError as error:
            unavailable[system.name] = str(error)
    return found, unavailable


def compare(
    size: str,
    workload: Workload,
    systems: Sequence[System],
    take: Callable[[System, int], Measured],
    repetitions: int,
    unavailable: Mapping[str, str],
) -> Comparison:
    """Measure ``systems`` by turns with ``take(system, repetition)``.

    `ModelsDisagreeError` as soon as one has another model than the first.
    """
    machine = this_machine()
    taken: dict[str, list[Measured]] = {system.name: [] for system in systems}
    differences = dict.fromkeys(taken, 0.0)
    for repetition in range(repetitions):
        for system in systems:
            measured = take(system, repetition)
            taken[system.name].append(measured)
            reference = taken[systems[0].name][0].first_model
            difference = check_agreement(measured.first_model, reference, system.label, systems[0].label)
            differences[system.name] = max(differences[system.name], difference)
    clients, images = workload.images_CNCHW.shape[:2]
    medians = {name: [one.round_median for one in measured] for name, measured in taken.items()}
    limits = {name: medians[name] for name in LIMITS if name in medians}
    return Comparison(
        machine=machine,
        size=size,
        clients=clients,
        images=images,
        steps=workload.local.steps,
        parameters=sum(parameter.numel() for parameter in plain_network(workload.network).parameters()),
        repetitions=repetitions,
        rounds=len(taken[systems[0].name][0].round_seconds),
        systems=tuple(_figures(system, taken[system.name], clients, limits, differences[system.name]) for system in systems),
        unavailable=dict(unavailable),
    )


def _figures(
    system: System, taken: Sequence[Measured], clients: int, limits: Mapping[str, Sequence[float]], difference: float
) -> SystemFigures:
    round_seconds = Repeated(values=tuple(one.round_median for one in taken))
    return SystemFigures(
        name=system.name,
        label=system.label,
        torch=taken[0].torch,
        start_seconds=Repeated(values=tuple(one.start_seconds for one in taken)),
        warm_up_seconds=Repeated(values=tuple(one.warm_up_seconds for one in taken)),
        round_seconds=round_seconds,
        rounds=tuple(one.round_seconds for one in taken),
        cpu_seconds=Repeated(values=tuple(one.cpu_seconds for one in taken)),
        clients_per_second=clients / round_seconds.median,
        speeds={name: ratios(limit, round_seconds.values) for name, limit in limits.items()},
        largest_difference=difference,
    )
