"""A comparison of the bare loop with FedFace whose figures nobody measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from loadtest.bare.workload import Workload
from loadtest.peers.comparison import Comparison, Measurements
from loadtest.peers.measure import Repetition
from loadtest.peers.sizes import Size
from loadtest.peers.systems import SYSTEMS, System
from support.small_networks import TINY
from support.small_workload import small_workload

LIMIT = SYSTEMS["bare-loop"]
OURS = SYSTEMS["ours"]
MODEL = {"weight": torch.tensor([1.0, 2.0]), "batches": torch.tensor(3)}


def tiny_workload() -> Workload:
    """A workload of one client."""
    return small_workload(TINY)[2]


def repetition(*rounds: float, model: Mapping[str, Tensor] = MODEL) -> Repetition:
    """A repetition whose rounds took these seconds."""
    return Repetition(1.0, 5.0, rounds, sum(rounds), model, "2.13.0")


def measurements(systems: Sequence[System] = (LIMIT, OURS), unavailable: Mapping[str, str] | None = None) -> Measurements:
    """Of systems none of which has been measured yet."""
    return Measurements(Size.TINY, tiny_workload(), systems, unavailable or {})


def compare(measure: Callable[[System, int], Repetition], repetitions: int) -> Comparison:
    """Compare the bare loop with FedFace by these measures."""
    taken = measurements()
    taken.take_turns(measure, repetitions)
    return taken.comparison()


def compared(unavailable: Mapping[str, str] | None = None) -> Comparison:
    """Two repetitions of three rounds. In the second repetition everything takes twice as long."""

    def measure(system: System, number: int) -> Repetition:
        slower = (1 + number) * (1 if system is LIMIT else 4)
        return repetition(1.0 * slower, 2.0 * slower, 9.0 * slower)

    taken = measurements(unavailable=unavailable)
    taken.take_turns(measure, 2)
    return taken.comparison()
