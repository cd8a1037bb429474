"""FedFace in one process, as `fedface study` runs it. Every update is encoded, checked and folded as by the services."""

from __future__ import annotations

import time
from pathlib import Path

from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_learning.models import build_network
from fedface_learning.models.weights import load_tensors, network_tensors
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import SimulatedRound, simulate
from loadtest.bare.workload import read_workload
from loadtest.peers.runner_result import RunnerResult


def run(path: Path, rounds: int, _variant: str) -> RunnerResult:
    """Simulate the plan. The first moment is the end of enrolment; a round ends with the evaluation of its model."""
    use_deterministic_torch(threads=1)
    workload = read_workload(path)
    plan = apply_merge_patch(Plan.model_validate_json(workload.plan), {"rounds": rounds})
    network = build_network(plan.model)
    load_tensors(network, workload.initial, "the workload's model")
    moments: list[float] = []
    first: dict[str, Tensor] = {}

    def record_round(finished: SimulatedRound) -> None:
        moments.append(time.time())
        if finished.number == 1:
            first.update({name: tensor.clone() for name, tensor in network_tensors(network).items()})

    simulate(plan, record_round, initial=network)
    return RunnerResult(tuple(moments), first)
