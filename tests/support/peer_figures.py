"""A comparison of the bare loop with FedFace whose figures nobody measured."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from loadtest.bare.workload import Workload
from loadtest.peers.comparison import Comparison, compare
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


def compared(unavailable: Mapping[str, str] | None = None) -> Comparison:
    """Two repetitions of three rounds. In the second repetition everything takes twice as long."""

    def measure(system: System, number: int) -> Repetition:
        slower = (1 + number) * (1 if system is LIMIT else 4)
        return repetition(1.0 * slower, 2.0 * slower, 9.0 * slower)

    return compare(Size.TINY, tiny_workload(), [LIMIT, OURS], measure, 2, unavailable or {})
