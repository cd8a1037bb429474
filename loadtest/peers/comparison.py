"""Measures all systems in turns, and compares their round times with those of the limits, and ours with the peers'."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from fedface_core.domain.errors import FedFaceError
from loadtest.bare.networks import plain_network
from loadtest.bare.workload import Workload
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated, ratios
from loadtest.bench.report import BenchmarkReport
from loadtest.peers.agreement import check_agreement
from loadtest.peers.environments import EnvironmentUnavailableError, prepare_environment
from loadtest.peers.measure import Repetition, RunnerFailedError
from loadtest.peers.systems import LIMITS, OURS, PEERS, System


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
    """Limit → its round time divided by this system's, repetition by repetition: 1 is as fast as the limit.

    A system of FedFace has the peers among them, too.
    """
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
    """The most of a system."""
    rounds: int
    systems: tuple[SystemFigures, ...]
    unavailable: dict[str, str]
    """System without figures → why it was not measured."""
    failed: dict[str, str] = Field(default_factory=dict)
    """System → the error with which it failed, in its first repetition or a later one."""
    cut_off: str | None = None
    """What ended the measuring before all repetitions were there; None if nothing did."""


def prepare_environments(systems: Sequence[System], folder: Path) -> tuple[dict[str, Path | None], dict[str, str]]:
    """Prepare the environments of the peers among these systems, in ``folder``.

    Returns system → its Python (None for a system of FedFace), and system → why its environment could not be prepared.
    """
    prepared: dict[str | None, Path | None] = {}
    reasons: dict[str | None, str] = {}
    for name in dict.fromkeys(system.environment for system in systems):
        try:
            prepared[name] = None if name is None else prepare_environment(name, folder)
        except EnvironmentUnavailableError as error:
            reasons[name] = str(error)
    return (
        {system.name: prepared[system.environment] for system in systems if system.environment in prepared},
        {system.name: reasons[system.environment] for system in systems if system.environment in reasons},
    )


class Measurements:
    """What was measured so far, which makes a comparison at any time: also if something cuts the measuring off."""

    def __init__(self, size: str, workload: Workload, systems: Sequence[System], unavailable: Mapping[str, str]) -> None:
        self._machine = this_machine()
        self._size = size
        self._workload = workload
        self._systems = systems
        self._unavailable = unavailable
        self._measured: dict[str, list[Repetition]] = {system.name: [] for system in systems}
        self._differences = dict.fromkeys(self._measured, 0.0)
        self._failed: dict[str, str] = {}
        self._reference: tuple[str, Mapping[str, Tensor]] | None = None

    def take_turns(self, measure: Callable[[System, int], Repetition], repetitions: int) -> None:
        """Measure the systems in turns with ``measure(system, number of the repetition)``.

        A system that fails has no further turn. `ModelsDisagreeError` if the model of a system differs, after the first
        round, from that of the system that was measured first.
        """
        for repetition in range(repetitions):
            for system in self._systems:
                if system.name in self._failed:
                    continue
                try:
                    measured = measure(system, repetition)
                except RunnerFailedError as error:
                    self._failed[system.name] = str(error)
                    continue
                if self._reference is None:
                    self._reference = (system.label, measured.first_model)
                label, model = self._reference
                difference = check_agreement(measured.first_model, model, system.label, label)
                self._differences[system.name] = max(self._differences[system.name], difference)
                self._measured[system.name].append(measured)

    def comparison(self, cut_off: str | None = None) -> Comparison:
        """Compare what was measured. ``cut_off`` says what ended the measuring, if something did.

        `FedFaceError` if nothing was measured.
        """
        measured = {name: taken for name, taken in self._measured.items() if taken}
        if not measured:
            reasons = "; ".join((*self._failed.values(), *([cut_off] if cut_off else [])))
            raise FedFaceError(f"no system was measured: {reasons}")
        not_reached = {name: f"{cut_off}, before its turn" for name in self._measured if name not in measured}
        missing = {**self._unavailable, **not_reached, **self._failed}
        clients, images = self._workload.images_CNCHW.shape[:2]
        medians = {name: [one.round_median for one in taken] for name, taken in measured.items()}
        return Comparison(
            machine=self._machine,
            size=self._size,
            clients=clients,
            images=images,
            steps=self._workload.local.steps,
            parameters=sum(parameter.numel() for parameter in plain_network(self._workload.network).parameters()),
            repetitions=max(len(taken) for taken in measured.values()),
            rounds=len(next(iter(measured.values()))[0].round_seconds),
            systems=tuple(
                _figures(system, measured[system.name], clients, medians, self._differences[system.name])
                for system in self._systems
                if system.name in measured
            ),
            unavailable={name: why for name, why in missing.items() if name not in measured},
            failed=self._failed,
            cut_off=cut_off,
        )


def _figures(
    system: System,
    measurements: Sequence[Repetition],
    clients: int,
    medians: Mapping[str, Sequence[float]],
    difference: float,
) -> SystemFigures:
    round_seconds = Repeated(values=tuple(medians[system.name]))
    references = (*LIMITS, *(PEERS if system.name in OURS else ()))
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
        speeds={name: _speed(medians[name], round_seconds.values) for name in references if name in medians},
        largest_difference=difference,
    )


def _speed(reference: Sequence[float], own: Sequence[float]) -> Repeated:
    """The reference's round time divided by the system's own, of the repetitions that both have."""
    both = min(len(reference), len(own))
    return ratios(reference[:both], own[:both])
