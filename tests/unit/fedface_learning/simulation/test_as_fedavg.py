"""What a bound takes from federated averaging."""

from __future__ import annotations

from fedface_learning.simulation.as_fedavg import as_fedavg
from support.small_networks import small_plan


def test_only_the_strategy_differs() -> None:
    plan = small_plan(strategy={"name": "local-only", "scored_clients": 2}, rounds=7)
    fedavg = as_fedavg(plan)
    assert fedavg.strategy.name == "fedavg"
    assert fedavg.model_copy(update={"strategy": plan.strategy}) == plan
