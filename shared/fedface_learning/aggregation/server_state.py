"""What the aggregator keeps from round to round, of the server optimiser and of the strategy, as one set of tensors."""

from __future__ import annotations

from torch import Tensor

from fedface_learning.strategies import Tensors

OPTIMISER, STRATEGY = "optimiser/", "strategy/"


def joined(optimiser: Tensors, strategy: Tensors) -> dict[str, Tensor]:
    """Both, each under its own prefix."""
    of_optimiser = {OPTIMISER + name: tensor for name, tensor in optimiser.items()}
    return of_optimiser | {STRATEGY + name: tensor for name, tensor in strategy.items()}


def part(state: Tensors, prefix: str) -> dict[str, Tensor]:
    """What one of them kept."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
