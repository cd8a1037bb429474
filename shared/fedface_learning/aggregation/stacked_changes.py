"""The changes of clients that trained at once, computed and summed on the device that they were trained on (ADR 46).

The sum is that of `ExactSum`, to the bit: differences and products are in float64, which every device rounds alike, and
whole numbers are added without rounding. K clients, P values of a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import torch
from torch import Tensor

from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.device import all_moved, on_host
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.strategies import Tensors

_VALUES_AT_ONCE: Final = 2**26
"""So many values are in float64 at a time: half a gigabyte."""


class StackedChanges:
    """The changes of K clients' models from the model that all of them started from."""

    def __init__(self, stacked: Tensors, before: Tensors) -> None:
        """``stacked`` has the tensors (K, …) of all clients' models, and ``before`` those of the model, by equal names."""
        self._device = next(iter(stacked.values())).device
        self._stacked = stacked
        self._before = all_moved(before, self._device)
        positions = sum_positions(before)
        self._averaged = sorted(positions, key=lambda name: positions[name])
        self._counters = [name for name in before if name not in positions]
        self._clients = len(next(iter(stacked.values())))

    def norms(self) -> list[float]:
        """The norm of each client's change over all values that are averaged, in float64. Not finite if a value is not."""
        squares_K = torch.zeros(self._clients, dtype=torch.float64, device=self._device)
        for name in self._averaged:
            step = self._clients_at_once(name)
            for first in range(0, self._clients, step):
                part = slice(first, first + step)
                squares_K[part] += self._changes(self._stacked[name][part], name).square_().flatten(1).sum(dim=1)
        return [sqrt(squares) for squares in squares_K.tolist()]

    def summed(self, indices: Sequence[int], weights: Sequence[float], fraction_bits: int) -> ExactSum:
        """The sum of the changes of the clients with these indices, each times its weight, in units of 2^-fraction_bits."""
        chosen_k = torch.tensor(indices).to(self._device)
        units_k = (torch.tensor(weights, dtype=torch.float64) * 2.0**fraction_bits).to(self._device)
        sums = [self._sum(name, chosen_k, units_k) for name in self._averaged]
        largest = {name: self._stacked[name][chosen_k].amax(dim=0) for name in self._counters}
        there = on_host({"": torch.cat(sums)} | largest)
        return ExactSum.of(there.pop(""), there, fraction_bits)

    def _sum(self, name: str, chosen_k: Tensor, units_k: Tensor) -> Tensor:
        before = self._before[name]
        total = torch.zeros(before.shape, dtype=torch.int64, device=self._device)
        step = self._clients_at_once(name)
        for part_k, own_k in zip(torch.split(chosen_k, step), torch.split(units_k, step), strict=True):
            units = own_k.view(-1, *[1] * before.dim())
            total += self._changes(self._stacked[name][part_k], name).mul_(units).round_().long().sum(dim=0)
        return total.flatten()

    def _changes(self, models_k: Tensor, name: str) -> Tensor:
        return models_k.double().sub_(self._before[name].double())

    def _clients_at_once(self, name: str) -> int:
        return max(1, _VALUES_AT_ONCE // max(1, self._before[name].numel()))
