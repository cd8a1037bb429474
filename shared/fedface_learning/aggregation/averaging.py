"""The weighted average of models, as a running sum that any process can store, merge and finish.

Sums are computed in float64 and in a fixed order, so the result is the same to the bit in every process and every attempt.
P values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.formats.stored_tensors import PART_BYTES, StoredTensors


class WeightedSum:
    """``Σ weight · tensors`` by name. Integer tensors (counters in buffers) take the largest value instead.

    The sum holds one float64 copy of the model, however many models are added: one flat tensor (P,). The tensors by name are
    views of it.
    """

    def __init__(self) -> None:
        self.weight: float = 0.0
        self._flat_P = torch.empty(0, dtype=torch.float64)
        self._sums: dict[str, Tensor] = {}

    def tensors(self) -> dict[str, Tensor]:
        """The sums by name: float64 sums, and integer tensors of their own dtype. Store ``weight`` together with them."""
        return dict(self._sums)

    def add(self, tensors: Mapping[str, Tensor], weight: float) -> None:
        """Add one model. All models that are added must have equal names and shapes."""
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
        """Add one model with the names and shapes of ``model``.

        ``parts`` are pairs of position and values (p,), which together are the model's flat values. ``counters`` are its
        integer tensors by name.
        """
        self.weight += weight
        self._accumulate(model, parts, counters, weight)

    def merge(self, other: WeightedSum) -> None:
        """Add the models that another sum holds."""
        tensors = other.tensors()
        if tensors:  # a sum without tensors is of updates that were all refused
            self.weight += other.weight
            self._accumulate(tensors, other.parts(), other.counters(), 1)

    def parts(self) -> Iterator[tuple[int, Tensor]]:
        """The flat sum as one pair of position 0 and values (P,), float64."""
        yield 0, self._flat_P

    def counters(self) -> dict[str, Tensor]:
        """The integer tensors by name."""
        return {name: tensor for name, tensor in self._sums.items() if not tensor.is_floating_point()}

    def average(self, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``Σ weight · tensors / Σ weight``, in the order and the dtypes of the model ``like``.

        It is computed in the sum's own memory, so the sum cannot be used afterwards.
        """
        assert self.weight > 0, "an average needs at least one model"
        assert self._sums.keys() == like.keys(), "all models of a sum have the same tensors"
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
                total_P.copy_(values_P).mul_(factor)  # not added to 0, because 0 + -0.0 is 0.0
            else:
                total_P.add_(values_P, alpha=factor)
        for name, counter in counters.items():
            self._sums[name] = torch.maximum(self._sums[name], counter) if name in self._sums else counter.clone()

    def _begin(self, model: Mapping[str, Tensor]) -> bool:
        """Allocate memory for the first model and return True; False if a model was added before."""
        if self._sums:
            assert self._sums.keys() == model.keys(), "all models of a sum have the same tensors"
            return False
        positions = sum_positions(model)
        self._flat_P = torch.empty(sum(model[name].numel() for name in positions), dtype=torch.float64)
        for name, position in positions.items():
            self._sums[name] = self._flat_P[position : position + model[name].numel()].view(model[name].shape)
        return True


class StoredSum(WeightedSum):
    """The sum in a stored partial. It is read in parts when it is merged into another sum; nothing can be added to it."""

    def __init__(self, stored: StoredTensors, names: Iterable[str], weight: float) -> None:
        """``names`` are the names of the model's tensors in ``stored``."""
        super().__init__()
        self.weight = weight
        self._stored = stored
        self._like = stored.meta_tensors(names)

    def tensors(self) -> dict[str, Tensor]:
        """The names, shapes and dtypes of the sums, as tensors without values."""
        return self._like

    def parts(self) -> Iterator[tuple[int, Tensor]]:
        """The flat sum as pairs of position and values (p,). The next pair overwrites the values of this one."""
        for name, position in sum_positions(self._like).items():
            place = self._stored.places[name]
            step = PART_BYTES // place.dtype.itemsize
            for done in range(0, place.count, step):
                start = place.start + done * place.dtype.itemsize
                count = min(step, place.count - done)
                yield position + done, self._stored.values(place.dtype, start, count)

    def counters(self) -> dict[str, Tensor]:
        """The integer tensors by name."""
        return {name: self._stored.tensor(name) for name, like in self._like.items() if not like.is_floating_point()}
