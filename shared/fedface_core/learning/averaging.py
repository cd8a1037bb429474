"""The weighted average of models, as a running sum that can be stored, merged and finished anywhere.

Sums run in float64 and in a fixed order, so that who summed, and how often it was tried, leaves no trace in the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor


class WeightedSum:
    """``Σ weight · tensors`` by name. Integer tensors (counters in buffers) take the largest value instead.

    It holds one float64 copy of the model, however many are added.
    """

    def __init__(self) -> None:
        self.weight: float = 0.0
        self._sums: dict[str, Tensor] = {}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], weight: float) -> Self:
        """The sum that `tensors` was taken from. The tensors are not copied."""
        restored = cls()
        restored.weight = weight
        restored._sums = dict(tensors)
        return restored

    def tensors(self) -> dict[str, Tensor]:
        """The sums to store: float64, and integers as they are. ``weight`` is stored beside them."""
        return dict(self._sums)

    def add(self, tensors: Mapping[str, Tensor], weight: float) -> None:
        """Add one model. All models added have the same names and shapes."""
        assert not self._sums or self._sums.keys() == tensors.keys(), "models of one sum have the same tensors"
        self.weight += weight
        for name, tensor in tensors.items():
            if not tensor.is_floating_point():
                self._take_larger(name, tensor)
            elif name in self._sums:
                self._sums[name].add_(tensor.double(), alpha=weight)
            else:
                self._sums[name] = tensor.double() * weight

    def merge(self, other: WeightedSum) -> None:
        """Add what another sum has summed."""
        if not other._sums:  # nothing: all of its updates were refused
            return
        assert not self._sums or self._sums.keys() == other._sums.keys(), "models of one sum have the same tensors"
        self.weight += other.weight
        for name, tensor in other._sums.items():
            if not tensor.is_floating_point():
                self._take_larger(name, tensor)
            elif name in self._sums:
                self._sums[name].add_(tensor)
            else:
                self._sums[name] = tensor.clone()

    def average(self, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``Σ weight · tensors / Σ weight``, in the order and the dtypes of the model ``like``."""
        assert self.weight > 0, "an average needs something that was added"
        assert self._sums.keys() == like.keys(), "models of one sum have the same tensors"
        return {
            name: (self._sums[name] / self.weight if reference.is_floating_point() else self._sums[name]).to(reference.dtype)
            for name, reference in like.items()
        }

    def _take_larger(self, name: str, tensor: Tensor) -> None:
        self._sums[name] = torch.maximum(self._sums[name], tensor) if name in self._sums else tensor.clone()


def changes(model: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``model − reference`` by name, in float64; integer tensors as the model has them."""
    return {
        name: tensor.double() - reference[name].double() if tensor.is_floating_point() else tensor
        for name, tensor in model.items()
    }
