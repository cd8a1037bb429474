"""The reference workload has the numbers that its documentation names."""

from __future__ import annotations

from fedface_learning.models import initial_network
from loadtest.bench.reference_workload import reference_plan


def test_the_plan_has_the_documented_numbers() -> None:
    plan = reference_plan(200, rounds=2)
    network = initial_network(plan.model, 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == 294_128
    assert (plan.split.clients, plan.data.images_per_identity, plan.rounds) == (200, 10, 2)
    assert (plan.local_training.steps, plan.local_training.losses) == (5, "seen")
    assert reference_plan(2, 1, losses="measured").local_training.losses == "measured"
