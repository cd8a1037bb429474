"""The weighted average of models, as a running sum that can be stored, merged and finished anywhere.

Sums run in float64 and in a fixed order, so that who summed, and how often it was tried, leaves no trace in the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.formats.stored_tensors import PART_BYTES, StoredTensors


class WeightedSum:
    """``Σ weight · tensors`` by name. Integer tensors (counters in buffers) take the largest value instead.

    It holds one float64 copy of the model, however many are added: one flat tensor, of which those by name are views.
    """

    def __init__(self) -> None:
        self.weight: float = 0.0
        self._flat_P = torch.empty(0, dtype=torch.float64)
        self._sums: dict[str, Tensor] = {}

    def tensors(self) -> dict[str, Tensor]:
        """The sums to store: float64, and integers as they are. ``weight`` is stored beside them."""
        return dict(self._sums)

    def add(self, tensors: Mapping[str, Tensor], weight: float) -> None:
        """Add one model. All models added have the same names and shapes."""
        positions = sum_positions(tensors)
        parts = ((position, tensors[name].reshape(-1)) for name, position in positions.items())
        self.add_parts(tensors, parts, {name: tensors[name] for name in tensors.keys() - positions.keys()}, weight)

    def add_parts(
        self,
        model: Mapping[str, Tensor],
        parts: Iterable[tuple[int, Tensor]],
        counters: Mapping[str, Tensor],
        weight: float,
    ) -> None:
        """Add one model like ``model`` as the parts of its flat values, each with its position, and its integer tensors."""
        self.weight += weight
        self._accumulate(model, parts, counters, weight)

    def merge(self, other: WeightedSum) -> None:
        """Add what another sum has summed."""
        tensors = other.tensors()
        if tensors:  # else nothing: all of its updates were refused
            self.weight += other.weight
            self._accumulate(tensors, other.parts(), other.counters(), 1)

    def parts(self) -> Iterator[tuple[int, Tensor]]:
        """The flat sum, from position 0."""
        yield 0, self._flat_P

    def counters(self) -> dict[str, Tensor]:
        """The integer tensors."""
        return {name: tensor for name, tensor in self._sums.items() if not tensor.is_floating_point()}

    def average(self, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``Σ weight · tensors / Σ weight``, in the order and the dtypes of the model ``like``. The sum is used up."""
        assert self.weight > 0, "an average needs something that was added"
        assert self._sums.keys() == like.keys(), "models of one sum have the same tensors"
        self._flat_P.div_(self.weight)
        return {name: self._sums[name].to(reference.dtype) for name, reference in like.items()}

    def _accumulate(
        self,
        model: Mapping[str, Tensor],
        parts: Iterable[tuple[int, Tensor]],
        counters: Mapping[str, Tensor],
        factor: float,
    ) -> None:
        first = self._begin(model)
        for position, values_P in parts:
            total_P = self._flat_P[position : position + len(values_P)]
            if first:
                total_P.copy_(values_P).mul_(factor)  # not added to 0: so -0.0 stays itself
            else:
                total_P.add_(values_P, alpha=factor)
        for name, counter in counters.items():
            self._sums[name] = torch.maximum(self._sums[name], counter) if name in self._sums else counter.clone()

    def _begin(self, model: Mapping[str, Tensor]) -> bool:
        """Make room for the first model of the sum; False where there has been one, which must have had the same tensors."""
        if self._sums:
            assert self._sums.keys() == model.keys(), "models of one sum have the same tensors"
            return False
        positions = sum_positions(model)
        self._flat_P = torch.empty(sum(model[name].numel() for name in positions), dtype=torch.float64)
        for name, position in positions.items():
            self._sums[name] = self._flat_P[position : position + model[name].numel()].view(model[name].shape)
        return True


class StoredSum(WeightedSum):
    """The sum in a stored partial, read part by part when it is merged into another. Nothing can be added to it."""

    def __init__(self, stored: StoredTensors, names: Iterable[str], weight: float) -> None:
        """``names`` are those of the model's tensors."""
        super().__init__()
        self.weight = weight
        self._stored = stored
        self._like = stored.meta_tensors(names)

    def tensors(self) -> dict[str, Tensor]:
        """Of their names, shapes and types, without values."""
        return self._like

    def parts(self) -> Iterator[tuple[int, Tensor]]:
        """The sum in parts, each with its position, to be used before the next is taken."""
        for name, position in sum_positions(self._like).items():
            place = self._stored.places[name]
            step = PART_BYTES // place.dtype.itemsize
            for done in range(0, place.count, step):
                start, count = place.start + done * place.dtype.itemsize, min(step, place.count - done)
                yield position + done, self._stored.values(place.dtype, start, count)

    def counters(self) -> dict[str, Tensor]:
        """The integer tensors."""
        return {name: self._stored.tensor(name) for name, like in self._like.items() if not like.is_floating_point()}
