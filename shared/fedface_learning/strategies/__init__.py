"""Strategies, by name. `strategy.py` says what one is; `fedface.py` is the one that the others vary."""

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
    # Bounds, whose rounds are no federated ones: what they share with these (enrolment, a client's steps) is FedAvg's.
    "centralised": FEDAVG,
    "local-only": FEDAVG,
}


def strategy_of(plan: Plan) -> Strategy:
    """The plan's strategy."""
    return STRATEGIES[plan.strategy.name]
