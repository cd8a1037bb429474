"""The strategies, by name. `strategy.py` says what a strategy is; `fedface.py` is the one that all others vary.

To add a strategy, write a file in this folder that makes a `Strategy`, and enter it in `STRATEGIES`. Then add a class with
its name and its parameters to `fedface_core.domain.plan.strategy`, and to the union `StrategyPlan`, so that a plan can name
it.
"""

from __future__ import annotations

from fedface_core.domain.plan import Plan
from fedface_learning.strategies.fedavg import FEDAVG
from fedface_learning.strategies.fedaws import FEDAWS
from fedface_learning.strategies.fedface import FEDFACE
from fedface_learning.strategies.fedfr import FEDFR
from fedface_learning.strategies.fedfv import FEDFV
from fedface_learning.strategies.fedprox import FEDPROX
from fedface_learning.strategies.feduv import FEDUV
from fedface_learning.strategies.gaussian_negatives import GAUSSIAN_NEGATIVES
from fedface_learning.strategies.public_negatives import PUBLIC_NEGATIVES
from fedface_learning.strategies.strategy import NOTHING, ClientRound, ServerResult, ServerRound, Strategy, Tensors

__all__ = ["NOTHING", "STRATEGIES", "ClientRound", "ServerResult", "ServerRound", "Strategy", "Tensors", "strategy_of"]

STRATEGIES: dict[str, Strategy] = {
    "fedface": FEDFACE,
    "fedavg": FEDAVG,
    "fedprox": FEDPROX,
    "fedaws": FEDAWS,
    "public-negatives": PUBLIC_NEGATIVES,
    "gaussian-negatives": GAUSSIAN_NEGATIVES,
    "feduv": FEDUV,
    "fedfv": FEDFV,
    "fedfr": FEDFR,
}


def strategy_of(plan: Plan) -> Strategy:
    """The strategy that a plan names.

    A plan for a simulation may name a bound instead (`fedface_learning.simulation.simulate.BOUNDS`). A bound is no strategy,
    so callers must not ask for one.
    """
    assert plan.strategy.name in STRATEGIES, f"{plan.strategy.name} is no strategy, but a bound of the simulation"
    return STRATEGIES[plan.strategy.name]
