"""The form of an update, to the byte: the position of each value in the update, in the model and in the sum (ADR 17).

The sum of a shard is one flat tensor. An update that `encode_tensors` wrote has its values in the order of the sum,
in a few contiguous spans. So an update is compared and added span by span, not tensor by tensor, and in pieces that fit a
core's cache. P values.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.formats.codec import decode_metadata, encode_tensors
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.formats.safetensors_layout import Place, header_end, parse_metadata, places_of
from fedface_learning.formats.stored_tensors import PART_BYTES, StoredTensors
from fedface_learning.strategies import NOTHING, Tensors
from fedface_learning.updates.buffer_ranges import BufferRanges
from fedface_learning.updates.encoding import WHOLE_MODEL, UpdateEncoding

_HEADER_BYTES: Final = 4096  # more than safetensors' framing and FedFace's metadata need
_HEADER_BYTES_A_TENSOR: Final = 256  # dtype, shape and offsets of one tensor as JSON


def size_limit(expected: Tensors) -> int:
    """The largest size in bytes of an update with these tensors. A larger object is refused before it is downloaded."""
    return _HEADER_BYTES + sum(
        tensor.nbytes + len(name.encode()) + _HEADER_BYTES_A_TENSOR for name, tensor in expected.items()
    )


def further_reference(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors beside the model, which a strategy asks for, as float32 tensors on the meta device, without values."""
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


@dataclass(frozen=True)
class Span:
    """Values of one floating-point type that are contiguous in the update, in the model and in the sum."""

    dtype: torch.dtype
    count: int
    """The number of values."""
    in_update: int
    """The offset in bytes of the first value in the update's data."""
    in_model: int
    """The offset in bytes of the first value in the model's data."""
    in_sum: int
    """The index of the first value in the flat sum."""

    def piece(self, first: int, count: int) -> Span:
        """The part of the span that starts at its value ``first`` and has ``count`` values."""
        skipped = first * self.dtype.itemsize
        return Span(self.dtype, count, self.in_update + skipped, self.in_model + skipped, self.in_sum + first)


class PlacedValues(NamedTuple):
    """Contiguous values of an update (P,), of at most `PART_BYTES` bytes, and their positions."""

    span: Span
    values_P: Tensor


Blocks = Sequence[memoryview]
"""An object in pieces of equal size, a multiple of 8 bytes; the last may be shorter. The memory must be writable, because
torch accepts no other."""


class HashedBlocks(Iterator[memoryview]):
    """The blocks of an object in order, of which who reads them from the store computes the SHA-256, too."""

    def __init__(self, blocks: Iterator[memoryview], sha256: Callable[[], str]) -> None:
        """``sha256`` gives the object's SHA-256 in hexadecimal digits, once all ``blocks`` were taken."""
        self._blocks = blocks
        self.sha256 = sha256

    def __next__(self) -> memoryview:
        """The next block."""
        return next(self._blocks)


@dataclass(frozen=True)
class LaidOutUpdate:
    """An update in the layout that `encode_tensors` gives to updates of its form, in the blocks that it was read into."""

    blocks: Blocks
    data_start: int
    """The offset in bytes of the tensors' data, after the header."""
    metadata: Mapping[str, Any]
    """The metadata of the client, not checked."""


def in_one_block(data: bytes) -> Blocks:
    """One block with a copy of an object that is in memory."""
    return [memoryview(bytearray(data))]


CheckFurther = Callable[[str, Tensor], Tensor]
"""Checks a further tensor of an update, with its name, and returns what is used of it. `UpdateRefusedError` if it is bad."""


class UpdateForm:
    """The form of an update: of the global model in an encoding, and of further tensors that are uploaded beside it."""

    def __init__(
        self,
        reference: StoredTensors,
        further_tensors: Tensors = NOTHING,
        encoding: UpdateEncoding = WHOLE_MODEL,
        *,
        steps: int,
        check_further: CheckFurther | None = None,
    ) -> None:
        """``reference`` is the global model, from which a client trained with ``steps`` gradient steps at most.

        ``check_further`` checks each further tensor; by default it must be of unit length in its last dimension.

        `DamagedObjectError` if the model is damaged.
        """
        self.reference = reference
        self.buffer_ranges = BufferRanges(reference, steps)
        self.further_tensors = further_tensors
        self.encoding = encoding
        self.check_further = check_further
        self.model = reference.meta_tensors(reference.places)
        """Names, shapes and dtypes of the global model's tensors, without values."""
        self.expected: Tensors = {**encoding.layout(self.model), **further_tensors}
        """Names, shapes and dtypes of the update's tensors, without values."""
        self.size_limit = size_limit(self.expected)
        """The largest size in bytes of an update of this form."""
        self._places = places_of(self.expected)
        self._header_end = header_end(self._places)
        self._data_bytes = sum(tensor.nbytes for tensor in self.expected.values())
        positions = sum_positions(self.model)
        self._span_of = {
            name: Span(place.dtype, place.count, place.start, reference.places[name].start, positions[name])
            for name, place in places_of({**self.model, **further_tensors}).items()
            if name in positions
        }
        self._spans = _join(self._span_of.values())
        self.averaged_values = sum(span.count for span in self._spans)
        """P, the number of the model's values that are averaged."""

    @classmethod
    def of(
        cls,
        model: Tensors,
        further_tensors: Tensors = NOTHING,
        encoding: UpdateEncoding = WHOLE_MODEL,
        *,
        steps: int,
    ) -> UpdateForm:
        """The form of updates of a global model that is in memory, by name."""
        return cls(StoredTensors(io.BytesIO(encode_tensors(model))), further_tensors, encoding, steps=steps)

    def decode(self, tensors: Tensors) -> Tensors:
        """The model, by name, that the tensors of an update stand for. `UpdateRefusedError` if they encode no model."""
        return tensors if self.encoding.change is None else self.encoding.decode(tensors, self.model_by_name)

    @cached_property
    def model_by_name(self) -> Tensors:
        """The global model's tensors, which are read once."""
        return self.reference.tensors()

    @cached_property
    def _block(self) -> memoryview:
        return memoryview(bytearray(self._data_bytes))

    @cached_property
    def _laid_out(self) -> Tensors:
        return {
            name: torch.frombuffer(self._block, dtype=place.dtype, count=place.count, offset=place.start).view(place.shape)
            for name, place in self._places.items()
            if place.count
        }

    def match_layout(self, blocks: Blocks) -> LaidOutUpdate | None:
        """The update in the blocks, if its header and its size are those that `encode_tensors` writes for this form.

        None if they are not; the update may be good nevertheless. Its values are not looked at.
        """
        if not blocks:
            return None
        data_start = 8 + int.from_bytes(blocks[0][:8], "little")
        if data_start > len(blocks[0]) or data_start + self._data_bytes != sum(map(len, blocks)):
            return None
        text = parse_metadata(bytes(blocks[0][:data_start]), self._header_end)
        if text is None:
            return None
        try:
            return LaidOutUpdate(blocks, data_start, decode_metadata(text))
        except DamagedObjectError:
            return None

    def values_in_place(self, update: LaidOutUpdate) -> Iterator[PlacedValues]:
        """The values of an update that are averaged, without copying them: they stay in the blocks' memory."""
        block_bytes = len(update.blocks[0])
        for span in self._spans:
            done = 0
            while done < span.count:
                start = update.data_start + span.in_update + done * span.dtype.itemsize
                index, offset = divmod(start, block_bytes)
                count = min(span.count - done, min(PART_BYTES, block_bytes - offset) // span.dtype.itemsize)
                values_P = torch.frombuffer(update.blocks[index], dtype=span.dtype, count=count, offset=offset)
                yield PlacedValues(span.piece(done, count), values_P)
                done += count

    def lay_out(self, tensors: Tensors) -> LaidOutUpdate:
        """The update with these tensors, as expected, in one block and without a header. The next call overwrites it.

        So tensors in whatever memory layout are copied once, and then read like an object of their update.
        """
        for name, values in self._laid_out.items():
            values.copy_(tensors[name].view(values.shape))  # another number of values is an error, and not repeated to fit
        return LaidOutUpdate([self._block], 0, {})

    def values_by_name(self, tensors: Tensors) -> Iterator[PlacedValues]:
        """The values of a decoded model and its further tensors that are averaged. ``tensors`` must be as expected."""
        for name, span in self._span_of.items():
            values_P = tensors[name].reshape(-1)
            for done in range(0, span.count, PART_BYTES // span.dtype.itemsize):
                piece_P = values_P[done : done + PART_BYTES // span.dtype.itemsize]
                yield PlacedValues(span.piece(done, len(piece_P)), piece_P)

    def not_averaged(self, update: LaidOutUpdate) -> dict[str, Tensor]:
        """Copies of an update's tensors that are not averaged, by name: integers, and the tensors beside the model."""
        return {
            name: _copy(update.blocks, update.data_start + place.start, place)
            for name, place in self._places.items()
            if name not in self._span_of
        }

    def buffers(self, update: LaidOutUpdate) -> dict[str, Tensor]:
        """Copies of an update's buffers that have a range, by name."""
        return {
            name: _copy(update.blocks, update.data_start + self._places[name].start, self._places[name])
            for name in self.buffer_ranges.names
        }

    def of_model(self, span: Span) -> Tensor:
        """The global model's values (P,) of a span, which has at most `PART_BYTES` bytes. The next call overwrites them."""
        return self.reference.values(span.dtype, span.in_model, span.count)


def _join(spans: Iterable[Span]) -> list[Span]:
    """Join spans that are contiguous. In a model of one dtype, only tensors that are not averaged separate spans."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].piece(joined[-1].count, span.count) == span:
            joined[-1] = replace(joined[-1], count=joined[-1].count + span.count)
        else:
            joined.append(span)
    return joined


def _copy(blocks: Blocks, start: int, place: Place) -> Tensor:
    data = bytearray()
    while len(data) < place.stop - place.start:
        index, offset = divmod(start + len(data), len(blocks[0]))
        data += blocks[index][offset : offset + place.stop - place.start - len(data)]
    return torch.frombuffer(data, dtype=place.dtype).reshape(place.shape)
