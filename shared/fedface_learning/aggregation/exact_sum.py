"""The exact sum of weighted changes, which any process can add to, store, merge and finish (ADR 40). P values.

A contribution is ``weight · (f_c - f)`` in fixed point: a whole number of units of 2^-b, as 64-bit integers. Whole numbers
are added without rounding, so the sum does not depend on the order of contributions, nor on their grouping into partials.
The plan fixes b so that no sum leaves the 64 bits (`fedface_core.domain.plan.fixed_point`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.formats.stored_tensors import PART_BYTES, StoredTensors

SUM: Final = "exact_sum/values_P"
"""The name of the tensor (P,) in a partial that holds the sum, int64."""
_LARGEST: Final = "exact_sum/largest/"
"""Before the name of an integer tensor of the model, in a partial."""
_BLOCK: Final = 2**15
"""So many values of a model in memory are computed at a time: they and their float64 copies stay in a core's own cache."""


class Moved(NamedTuple):
    """Values (P,) of a client's model, those of the model that it started from, and their position in the flat sum."""

    position: int
    values_P: Tensor
    before_P: Tensor


class ExactSum:
    """``Σ weight · change``, exact. Integer tensors (counters in buffers) take the largest value instead.

    However many changes are added, the sum holds one flat int64 tensor (P,), and the largest counters.
    """

    def __init__(self) -> None:
        self.fraction_bits: int | None = None
        """b of the sum's unit 2^-b; None as long as nothing was added."""
        self._sum_P = torch.empty(0, dtype=torch.int64)
        self._largest: dict[str, Tensor] = {}
        self._wide_P = np.empty(0, np.float64)
        self._whole_P = np.empty(0, np.int64)

    @classmethod
    def of(cls, sum_P: Tensor, largest: Mapping[str, Tensor], fraction_bits: int) -> ExactSum:
        """The sum with these values (P,), int64, whose memory it uses, and these largest counters, by name."""
        made = cls()
        made.fraction_bits = fraction_bits
        made._sum_P = sum_P
        made._largest = dict(largest)
        return made

    def tensors(self) -> dict[str, Tensor]:
        """The sum as the tensors of a partial; none if nothing was added. Store ``fraction_bits`` together with them."""
        if self.fraction_bits is None:
            return {}
        return {SUM: self._sum_P} | {_LARGEST + name: counter for name, counter in self._largest.items()}

    def add(self, model: Mapping[str, Tensor], before: Mapping[str, Tensor], weight: float, fraction_bits: int) -> None:
        """Add the change from ``before`` to ``model``, both in memory, with equal names, shapes and dtypes."""
        positions = sum_positions(model)
        moved = (
            Moved(positions[name] + done, *(tensors[name].reshape(-1)[done : done + _BLOCK] for tensors in (model, before)))
            for name in positions
            for done in range(0, model[name].numel(), _BLOCK)
        )
        counters = {name: model[name] for name in model.keys() - positions.keys()}
        self.add_parts(sum(model[name].numel() for name in positions), moved, counters, weight, fraction_bits)

    def add_parts(
        self, length: int, parts: Iterable[Moved], counters: Mapping[str, Tensor], weight: float, fraction_bits: int
    ) -> None:
        """Add one change, of ``length`` values in all, times ``weight``, in units of 2^-``fraction_bits``.

        Differences and products are computed in float64, and rounded to the nearest whole number of units, ties to even.
        ``parts`` together are all values of the change. ``counters`` are the integer tensors of the client's model.
        """
        self._begin(length, fraction_bits)
        units = weight * 2.0**fraction_bits
        for position, values_P, before_P in parts:
            self._add_rounded(self._sum_P[position : position + values_P.numel()], values_P, before_P, units)
        self._take_largest(counters)

    def merge(self, other: ExactSum) -> None:
        """Add what another sum of equal unit and length holds. `DamagedObjectError` if unit or length is another one."""
        if other.fraction_bits is None:
            return  # it is of updates that were all refused
        self._begin(other.length, other.fraction_bits)
        for position, summed_P in other.parts():
            self._sum_P[position : position + len(summed_P)] += summed_P
        self._take_largest(other.counters())

    @property
    def length(self) -> int:
        """P, the number of values of a change."""
        return len(self._sum_P)

    def parts(self) -> Iterator[tuple[int, Tensor]]:
        """The flat sum as pairs of position and values (p,), int64."""
        yield 0, self._sum_P

    def counters(self) -> Mapping[str, Tensor]:
        """The largest integer tensors, by name."""
        return self._largest

    def blocks(self, count: int, position: int) -> Iterator[tuple[int, Tensor]]:
        """The ``count`` values of the sum from ``position`` on, in float64: pairs of offset and values (p,)."""
        assert self.fraction_bits is not None, "an average needs at least one change"
        assert len(self._sum_P) == self.length, "a stored sum has to be merged into another one first"
        for offset in range(0, count, _BLOCK):
            first = position + offset
            summed_P = self._sum_P[first : first + min(_BLOCK, count - offset)]
            yield offset, summed_P.double() * 2.0**-self.fraction_bits

    def memory(self, count: int, position: int) -> Tensor:
        """The memory (2, count) of the ``count`` values of the sum from ``position`` on, as float32.

        It is for who has taken the values and does not need the sum any more: a value of it has room for two others. A row's
        first half may be written as soon as the first half of the values is taken, and so on.
        """
        return self._sum_P[position : position + count].view(torch.float32).view(2, count)

    def _begin(self, length: int, fraction_bits: int) -> None:
        if self.fraction_bits is None:
            self.fraction_bits = fraction_bits
            self._sum_P = torch.zeros(length, dtype=torch.int64)
        if (length, fraction_bits) != (self.length, self.fraction_bits):
            raise DamagedObjectError(
                f"a sum of {length} values in units of 2^-{fraction_bits} does not go into one of {self.length} values in "
                f"units of 2^-{self.fraction_bits}"
            )

    def _add_rounded(self, sum_P: Tensor, values_P: Tensor, before_P: Tensor, units: float) -> None:
        """Numpy computes this in place; torch takes a third longer."""
        if len(self._wide_P) < sum_P.numel():  # memory of the largest part, used again for all parts of all changes
            self._wide_P = np.empty(sum_P.numel(), np.float64)
            self._whole_P = np.empty(sum_P.numel(), np.int64)
        wide_P = self._wide_P[: sum_P.numel()]
        whole_P = self._whole_P[: sum_P.numel()]
        wide_before_P = whole_P.view(np.float64)  # until the whole numbers are there, this memory is free
        # Converted one after the other, since a ufunc that converts does it in small buffers, which takes a seventh longer.
        np.copyto(wide_P, values_P.numpy())
        np.copyto(wide_before_P, before_P.numpy())
        np.subtract(wide_P, wide_before_P, out=wide_P)
        np.multiply(wide_P, units, out=wide_P)
        np.rint(wide_P, out=wide_P)
        np.copyto(whole_P, wide_P, casting="unsafe")
        sum_P.numpy()[...] += whole_P

    def _take_largest(self, counters: Mapping[str, Tensor]) -> None:
        for name, counter in counters.items():
            known = self._largest.get(name)
            self._largest[name] = counter.clone() if known is None else torch.maximum(known, counter)


class StoredSum(ExactSum):
    """The sum in a stored partial. It is read in parts when it is merged into another sum; nothing can be added to it."""

    def __init__(self, stored: StoredTensors, fraction_bits: int | None) -> None:
        """``fraction_bits`` is that of the partial's metadata. `DamagedObjectError` if ``stored`` holds no such sum."""
        super().__init__()
        self.fraction_bits = fraction_bits
        self._stored = stored
        self._place = stored.places.get(SUM)
        if (self._place is None) != (fraction_bits is None):
            raise DamagedObjectError(f"a partial has both {SUM} and fraction_bits, or neither; this one has one of them")
        if self._place is not None and (self._place.dtype is not torch.int64 or len(self._place.shape) != 1):
            raise DamagedObjectError(
                f"{SUM} must be a flat int64 tensor; it is {self._place.dtype} of the shape {self._place.shape}"
            )

    @property
    def length(self) -> int:
        """P, the number of values of a change."""
        return 0 if self._place is None else self._place.count

    def parts(self) -> Iterator[tuple[int, Tensor]]:
        """The flat sum as pairs of position and values (p,), int64. The next pair overwrites the values of this one."""
        if self._place is not None:
            step = PART_BYTES // torch.int64.itemsize
            for done in range(0, self._place.count, step):
                start = self._place.start + done * torch.int64.itemsize
                yield done, self._stored.values(torch.int64, start, min(step, self._place.count - done))

    def counters(self) -> Mapping[str, Tensor]:
        """The largest integer tensors, by name."""
        return {
            name.removeprefix(_LARGEST): self._stored.tensor(name)
            for name in self._stored.places
            if name.startswith(_LARGEST)
        }


def is_of_sum(name: str) -> bool:
    """Whether the tensor of a partial with this name is of the exact sum."""
    return name == SUM or name.startswith(_LARGEST)
