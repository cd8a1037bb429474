"""What an update must look like, to the byte: where each value lies in it, in the model and in the sum.

The sum of a shard is one flat float64 tensor. An update that `encode_tensors` wrote has its values in the same order, in one
run or a few. So it is compared and added run by run, not tensor by tensor, and in parts that stay in a core's cache.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.formats.safetensors_layout import Place, header_end, places_of
from fedface_learning.formats.stored_tensors import PART_BYTES, StoredTensors
from fedface_learning.strategies import NOTHING, Tensors
from fedface_learning.updates.encoding import WHOLE_MODEL, UpdateEncoding

_HEADER_BYTES: Final = 4096  # safetensors' own framing and our metadata, generously
_HEADER_BYTES_A_TENSOR: Final = 256  # dtype, shape and offsets of one tensor as JSON


def size_limit(expected: Tensors) -> int:
    """The most bytes that an update of these tensors can need. What is larger is refused before it is downloaded."""
    return _HEADER_BYTES + sum(
        tensor.nbytes + len(name.encode()) + _HEADER_BYTES_A_TENSOR for name, tensor in expected.items()
    )


def further_reference(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """What the tensors that a strategy has clients upload beside the model must look like; they hold no values."""
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


@dataclass(frozen=True)
class Run:
    """Values of one floating-point type that are neighbours in the update, in the model and in the sum."""

    dtype: torch.dtype
    count: int
    in_update: int
    """Byte of the update's data at which it starts."""
    in_model: int
    """Byte of the model's data."""
    in_sum: int
    """Value of the flat sum."""

    def part(self, first: int, count: int) -> Run:
        """``count`` of its values, from its value ``first`` on."""
        skipped = first * self.dtype.itemsize
        return Run(self.dtype, count, self.in_update + skipped, self.in_model + skipped, self.in_sum + first)


Part = tuple[Run, Tensor]
"""A part of an update: where it belongs, and its values (P,)."""

Blocks = Sequence[memoryview]
"""An object in pieces of one size, a multiple of 8 bytes; the last may be shorter. Memory that may be written to: torch
takes no other."""


def in_one_block(data: bytes) -> Blocks:
    """An object that is in memory already, copied."""
    return [memoryview(bytearray(data))]


class UpdateForm:
    """The form of an update of the global model, by its ``encoding``, and of the ``further`` tensors uploaded beside it."""

    def __init__(self, reference: StoredTensors, further: Tensors = NOTHING, encoding: UpdateEncoding = WHOLE_MODEL) -> None:
        self.reference = reference
        self.further = further
        self.encoding = encoding
        self.model = reference.like(reference.places)
        """The global model's names, shapes and types; they hold no values."""
        self.expected: Tensors = {**encoding.layout(self.model), **further}
        self.size_limit = size_limit(self.expected)
        self.places = places_of(self.expected)
        self.header_end = header_end(self.places)
        self.data_bytes = sum(tensor.nbytes for tensor in self.expected.values())
        positions = sum_positions(self.model)
        self._run_of = {
            name: Run(place.dtype, place.count, place.start, reference.places[name].start, positions[name])
            for name, place in places_of({**self.model, **further}).items()
            if name in positions
        }
        self._runs = _joined(self._run_of.values())

    @classmethod
    def of(cls, model: Tensors, further: Tensors = NOTHING, encoding: UpdateEncoding = WHOLE_MODEL) -> UpdateForm:
        """The form where the global model is in memory."""
        return cls(StoredTensors(io.BytesIO(encode_tensors(model))), further, encoding)

    def decoded(self, tensors: Tensors) -> Tensors:
        """The model by name that the tensors of such an update stand for. `UpdateRefusedError` where they do for none."""
        return tensors if self.encoding.change is None else self.encoding.decode(tensors, self._model_by_name)

    @cached_property
    def _model_by_name(self) -> Tensors:
        """The global model's tensors, for all updates of the fold: a changed parameter is an old one and a change."""
        return self.reference.tensors()

    def parts(self, blocks: Blocks, data_start: int) -> Iterator[Part]:
        """The values that are averaged of an update of this form, in the blocks' own memory."""
        block_bytes = len(blocks[0])
        for run in self._runs:
            done = 0
            while done < run.count:
                index, offset = divmod(data_start + run.in_update + done * run.dtype.itemsize, block_bytes)
                count = min(run.count - done, min(PART_BYTES, block_bytes - offset) // run.dtype.itemsize)
                yield run.part(done, count), torch.frombuffer(blocks[index], dtype=run.dtype, count=count, offset=offset)
                done += count

    def parts_of(self, tensors: Tensors) -> Iterator[Part]:
        """The same of an update that came in another way: by name, with the expected shapes and types."""
        for name, run in self._run_of.items():
            values_P = tensors[name].reshape(-1)
            for done in range(0, run.count, PART_BYTES // run.dtype.itemsize):
                part_P = values_P[done : done + PART_BYTES // run.dtype.itemsize]
                yield run.part(done, len(part_P)), part_P

    def not_averaged(self, blocks: Blocks, data_start: int) -> dict[str, Tensor]:
        """The other tensors of an update of this form, copied: integers, and what is uploaded beside the model."""
        return {
            name: _copied(blocks, data_start + place.start, place)
            for name, place in self.places.items()
            if name not in self._run_of
        }

    def of_model(self, run: Run) -> Tensor:
        """The model's values (P,) of a part. The next call overwrites them."""
        return self.reference.values(run.dtype, run.in_model, run.count)


def _joined(runs: Iterable[Run]) -> list[Run]:
    """The same with neighbours joined. Of a model of one type they become one run, or one more for each tensor between."""
    joined: list[Run] = []
    for run in runs:
        if joined and joined[-1].part(joined[-1].count, run.count) == run:
            joined[-1] = replace(joined[-1], count=joined[-1].count + run.count)
        else:
            joined.append(run)
    return joined


def _copied(blocks: Blocks, start: int, place: Place) -> Tensor:
    data = bytearray()
    while len(data) < place.stop - place.start:
        index, offset = divmod(start + len(data), len(blocks[0]))
        data += blocks[index][offset : offset + place.stop - place.start - len(data)]
    return torch.frombuffer(data, dtype=place.dtype).reshape(place.shape)
