"""The server state: what server optimiser and strategy keep from round to round, as one set of tensors."""

from __future__ import annotations

from torch import Tensor

from fedface_learning.strategies import Tensors

OPTIMISER = "optimiser/"
STRATEGY = "strategy/"


def join_states(optimiser: Tensors, strategy: Tensors) -> dict[str, Tensor]:
    """The server state: the optimiser's and the strategy's tensors, with the prefixes `OPTIMISER` and `STRATEGY`."""
    optimiser_state = {OPTIMISER + name: tensor for name, tensor in optimiser.items()}
    return optimiser_state | {STRATEGY + name: tensor for name, tensor in strategy.items()}


def select_state(state: Tensors, prefix: str) -> dict[str, Tensor]:
    """The tensors of a server state that have the prefix `OPTIMISER` or `STRATEGY`, by their names without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
