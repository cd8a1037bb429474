"""The layout of the flat sum of a shard (ADR 17)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def sum_positions(model: Mapping[str, Tensor]) -> dict[str, int]:
    """The index in the flat sum at which each floating-point tensor starts; in the order of the names, as partials have it.

    Integer tensors are not summed, and have no position.
    """
    positions: dict[str, int] = {}
    position = 0
    for name in sorted(model):
        if model[name].is_floating_point():
            positions[name] = position
            position += model[name].numel()
    return positions
