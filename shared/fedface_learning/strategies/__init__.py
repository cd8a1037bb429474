"""Strategies, by name. `strategy.py` says what one is; `fedface.py` is the one that the others vary.

To add one: a file here that makes a `Strategy`, its entry in `STRATEGIES`, and in `fedface_core.domain.plan.strategy` a
class with its name and its parameters, which joins the union `StrategyPlan`, so that a plan can name it.
"""

from __future__ import annotations

from fedface_core.domain.plan import Plan
from fedface_learning.strategies.fedavg import FEDAVG
from fedface_learning.strategies.fedaws import FEDAWS
from fedface_learning.strategies.fedface import FEDFACE
from fedface_learning.strategies.fedprox import FEDPROX
from fedface_learning.strategies.public_negatives import PUBLIC_NEGATIVES
from fedface_learning.strategies.strategy import NOTHING, ClientRound, ServerResult, ServerRound, Strategy, Tensors

__all__ = ["NOTHING", "STRATEGIES", "ClientRound", "ServerResult", "ServerRound", "Strategy", "Tensors", "strategy_of"]

STRATEGIES: dict[str, Strategy] = {
    "fedface": FEDFACE,
    "fedavg": FEDAVG,
    "fedprox": FEDPROX,
    "fedaws": FEDAWS,
    "public-negatives": PUBLIC_NEGATIVES,
}


def strategy_of(plan: Plan) -> Strategy:
    """The plan's strategy. A plan may name a bound instead (`fedface_learning.simulation`), which has none."""
    assert plan.strategy.name in STRATEGIES, f"{plan.strategy.name} is no strategy, but a bound of the simulation"
    return STRATEGIES[plan.strategy.name]
