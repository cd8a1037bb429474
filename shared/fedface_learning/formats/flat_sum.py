"""Where each tensor of a model lies in the flat float64 sum of a shard."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def sum_positions(model: Mapping[str, Tensor]) -> dict[str, int]:
    """Where each floating-point tensor starts in the flat sum: by name, which is how a partial stores them."""
    positions: dict[str, int] = {}
    position = 0
    for name in sorted(model):
        if model[name].is_floating_point():
            positions[name] = position
            position += model[name].numel()
    return positions
