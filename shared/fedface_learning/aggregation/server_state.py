"""The server state: what server optimiser and strategy keep from round to round, as one set of tensors. P values."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.strategies import Tensors

_OPTIMISER: Final = "optimiser/"
_STRATEGY: Final = "strategy/"


def join_states(optimiser: Tensors, strategy: Tensors) -> dict[str, Tensor]:
    """The server state: the moments ``kind/parameter`` of the optimiser and the tensors of the strategy, by name."""
    optimiser_state = {_OPTIMISER + name: tensor for name, tensor in optimiser.items()}
    return optimiser_state | {_STRATEGY + name: tensor for name, tensor in strategy.items()}


def strategy_state(stored: StoredTensors | None) -> dict[str, Tensor]:
    """The strategy's tensors in a server state, by their own names, in memory; none if there is no such state."""
    if stored is None:
        return {}
    return {name.removeprefix(_STRATEGY): stored.tensor(name) for name in stored.places if name.startswith(_STRATEGY)}


def moments_of(stored: StoredTensors | None, kind: str, parameter: str, first: int, count: int) -> Tensor | None:
    """``count`` values (P,) of a parameter's moment of this kind, from its value ``first`` on, float32.

    ``stored`` is a server state; None if it, or such a moment in it, is not there. The next look at it overwrites the
    values, which have at most `PART_BYTES` bytes.
    """
    name = f"{_OPTIMISER}{kind}/{parameter}"
    if stored is None or name not in stored.places:
        return None
    place = stored.places[name]
    return stored.values(place.dtype, place.start + first * place.dtype.itemsize, count)
