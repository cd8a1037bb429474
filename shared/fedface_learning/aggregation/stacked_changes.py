"""The changes of clients that trained at once, computed and summed on the device that they were trained on (ADR 46).

The sum is that of `ExactSum`, to the bit: differences and products are in float64, which every device rounds alike, and
whole numbers are added without rounding. K clients, P values of a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.device import all_moved, on_host
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.strategies import Tensors


class StackedChanges:
    """The changes of K clients' models from the model that all of them started from."""

    def __init__(self, stacked: Tensors, before: Tensors) -> None:
        """``stacked`` has the tensors (K, …) of all clients' models, and ``before`` those of the model, by equal names."""
        device = next(iter(stacked.values())).device
        self._stacked = stacked
        self._before = all_moved(before, device)
        self._averaged = sorted(sum_positions(before).items(), key=lambda item: item[1])
        self._counters = [name for name in before if name not in dict(self._averaged)]

    def norms(self) -> list[float]:
        """The norm of each client's change over all values that are averaged, in float64. Not finite if a value is not."""
        squares_K = torch.stack([self._of(name).square().sum(dim=1) for name, _ in self._averaged]).sum(dim=0)
        return [sqrt(squares) for squares in squares_K.tolist()]

    def summed(self, indices: Sequence[int], weights: Sequence[float], fraction_bits: int) -> ExactSum:
        """The sum of the changes of the clients with these indices, each times its weight, in units of 2^-fraction_bits."""
        device = self._stacked[self._averaged[0][0]].device
        chosen_k = torch.tensor(indices).to(device)
        units_k1 = (torch.tensor(weights, dtype=torch.float64) * 2.0**fraction_bits).to(device).unsqueeze(1)
        sums = [(self._of(name)[chosen_k] * units_k1).round_().long().sum(dim=0) for name, _ in self._averaged]
        largest = {name: self._stacked[name][chosen_k].amax(dim=0) for name in self._counters}
        there = on_host({"": torch.cat(sums)} | largest)
        return ExactSum.of(there.pop(""), there, fraction_bits)

    def _of(self, name: str) -> Tensor:
        return self._stacked[name].flatten(1).double() - self._before[name].flatten().double()
