"""Ours in one process: what `fedface study` runs. Every update is encoded, checked and folded as on the services."""

from __future__ import annotations

import time
from pathlib import Path

from torch import Tensor

from fedface_learning.models import build_network
from fedface_learning.models.weights import load_tensors, network_tensors
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import SimulatedRound, simulate
from loadtest.peers.outcome import Outcome
from loadtest.peers.workload import read_workload


def run(path: Path, rounds: int, _variant: str) -> Outcome:
    """Enrolment comes before the first moment; a round ends with the evaluation of its model."""
    use_deterministic_torch(threads=1)
    workload = read_workload(path)
    network = build_network(workload.plan.model)
    load_tensors(network, workload.initial, "the workload's model")
    moments: list[float] = []
    first: dict[str, Tensor] = {}

    def note(finished: SimulatedRound) -> None:
        moments.append(time.time())
        if finished.number == 1:
            first.update({name: tensor.clone() for name, tensor in network_tensors(network).items()})

    simulate(workload.for_rounds(rounds), note, initial=network)
    return Outcome(tuple(moments), first)
