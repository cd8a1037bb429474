"""The ranges of a model's buffers: what training can make of BatchNorm's statistics and of the centre.

A norm bounds how far all values have moved together. It does not keep a variance from being negative, which makes every
feature NaN, nor a counter from being so large that it overflows in the next round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import RefusalReason
from fedface_learning.formats.stored_tensors import StoredTensors

VARIANCE: Final = "running_var"
_MEAN: Final = "running_mean"
_COUNTER: Final = "num_batches_tracked"
_CENTRE: Final = "centre"
_BUFFERS: Final = (VARIANCE, _MEAN, _COUNTER, _CENTRE)

_FACTOR: Final = 1000
"""A buffer stays below this many times the largest magnitude that it has in the global model, plus 1. BatchNorm starts at
means of 0 and variances of 1, and photographs are no such numbers; so this is generous."""


def last_part(name: str) -> str:
    """The last part of a tensor's name: ``running_var`` of ``stem.1.running_var``."""
    return name.rpartition(".")[2]


@dataclass(frozen=True)
class _Ranges:
    """The ranges of all buffers of one dtype, as flat tensors (B,), so that they are compared at once."""

    names: list[str]
    low_B: Tensor
    high_B: Tensor


class BufferRanges:
    """The ranges of the buffers of updates that were trained from one model version."""

    def __init__(self, model: StoredTensors, steps: int) -> None:
        """``model`` is the model version. A training has ``steps`` gradient steps at most. `DamagedObjectError` if the model
        is damaged.
        """
        by_dtype: dict[torch.dtype, list[tuple[str, Tensor, Tensor]]] = {}
        for name in model.places:
            if last_part(name) in _BUFFERS:
                old = model.tensor(name)
                by_dtype.setdefault(old.dtype, []).append((name, *_range(last_part(name), old, steps)))
        self._ranges = [
            _Ranges([name for name, _, _ in of_dtype], *(torch.cat(ends) for ends in list(zip(*of_dtype, strict=True))[1:]))
            for of_dtype in by_dtype.values()
        ]
        self.names: tuple[str, ...] = tuple(name for ranges in self._ranges for name in ranges.names)
        """The names of the buffers."""

    def check(self, buffers: Mapping[str, Tensor]) -> None:
        """`UpdateRefusedError`, which names the first wrong buffer, if a value of ``buffers`` is outside its range.

        ``buffers`` has the tensors `names`, with the shapes and dtypes of the model.
        """
        for ranges in self._ranges:
            values_B = torch.cat([buffers[name].reshape(-1) for name in ranges.names])
            right_B = (ranges.low_B <= values_B) & (values_B <= ranges.high_B)  # false for NaN
            if not bool(right_B.all()):
                raise _refusal(ranges, values_B, int((~right_B).nonzero()[0]), buffers)


def _range(kind: str, old: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The least and the greatest value of each element of a buffer, flat, given its values in the global model."""
    if kind == _COUNTER:
        low_b = old.reshape(-1)
        return low_b, low_b + steps
    largest = _FACTOR * (1 + (float(old.abs().max()) if old.numel() else 0.0))
    high_b = torch.full((old.numel(),), largest, dtype=old.dtype)
    return torch.zeros_like(high_b) if kind == VARIANCE else -high_b, high_b


def _refusal(ranges: _Ranges, values_B: Tensor, index: int, buffers: Mapping[str, Tensor]) -> UpdateRefusedError:
    first = 0
    for name in ranges.names:
        if index < first + buffers[name].numel():
            break
        first += buffers[name].numel()
    return UpdateRefusedError(
        RefusalReason.OUT_OF_RANGE,
        f"{name} has the value {values_B[index].item():g}; training from this model gives values from "
        f"{ranges.low_B[index].item():g} to {ranges.high_B[index].item():g}",
    )
