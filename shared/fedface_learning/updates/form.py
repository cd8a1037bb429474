"""What an update must look like, to the byte: where each value lies in it, in the model and in the sum.

The sum of a shard is one flat float64 tensor. An update that `encode_tensors` wrote has its values in the same order, in one
span or a few. So it is compared and added span by span, not tensor by tensor, and in pieces that stay in a core's cache.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
class Span:
    """Values of one floating-point type that are neighbours in the update, in the model and in the sum."""

    dtype: torch.dtype
    count: int
    in_update: int
    """Byte of the update's data at which it starts."""
    in_model: int
    """Byte of the model's data at which it starts."""
    in_sum: int
    """Value of the flat sum at which it starts."""

    def piece(self, first: int, count: int) -> Span:
        """``count`` of its values, from its value ``first`` on."""
        skipped = first * self.dtype.itemsize
        return Span(self.dtype, count, self.in_update + skipped, self.in_model + skipped, self.in_sum + first)


class PlacedValues(NamedTuple):
    """Values of an update (P,) that are neighbours, of `PART_BYTES` at most, and where they belong."""

    span: Span
    values_P: Tensor


Blocks = Sequence[memoryview]
"""An object in pieces of one size, a multiple of 8 bytes; the last may be shorter. Memory that may be written to: torch
takes no other."""


@dataclass(frozen=True)
class LaidOutUpdate:
    """An update that is laid out as `encode_tensors` lays out those of its form, in the blocks that it came in."""

    blocks: Blocks
    data_start: int
    """The byte after its header."""
    metadata: Mapping[str, Any]
    """What the client says beside its tensors, not checked."""


def in_one_block(data: bytes) -> Blocks:
    """An object that is in memory already, copied."""
    return [memoryview(bytearray(data))]


class UpdateForm:
    """The form of an update of the global model, by its encoding, and of the further tensors that are uploaded beside it."""

    def __init__(
        self, reference: StoredTensors, further_tensors: Tensors = NOTHING, encoding: UpdateEncoding = WHOLE_MODEL
    ) -> None:
        self.reference = reference
        self.further_tensors = further_tensors
        self.encoding = encoding
        self.model = reference.meta_tensors(reference.places)
        """The global model's names, shapes and types; they hold no values."""
        self.expected: Tensors = {**encoding.layout(self.model), **further_tensors}
        self.size_limit = size_limit(self.expected)
        self._places = places_of(self.expected)
        self._header_end = header_end(self._places)
        self._data_bytes = sum(tensor.nbytes for tensor in self.expected.values())
        positions = sum_positions(self.model)
        self._span_of = {
            name: Span(place.dtype, place.count, place.start, reference.places[name].start, positions[name])
            for name, place in places_of({**self.model, **further_tensors}).items()
            if name in positions
        }
        self._spans = _joined(self._span_of.values())

    @classmethod
    def of(cls, model: Tensors, further_tensors: Tensors = NOTHING, encoding: UpdateEncoding = WHOLE_MODEL) -> UpdateForm:
        """The form of updates of a global model that is in memory."""
        return cls(StoredTensors(io.BytesIO(encode_tensors(model))), further_tensors, encoding)

    def decoded(self, tensors: Tensors) -> Tensors:
        """The model by name that the tensors of such an update stand for. `UpdateRefusedError` where they do for none."""
        return tensors if self.encoding.change is None else self.encoding.decode(tensors, self._model_by_name)

    @cached_property
    def _model_by_name(self) -> Tensors:
        """The global model's tensors, for all updates of the fold: a changed parameter is an old one and a change."""
        return self.reference.tensors()

    def laid_out(self, blocks: Blocks) -> LaidOutUpdate | None:
        """The update that the blocks hold, if `encode_tensors` could have written it: its header to the byte, and its size.

        None if it is otherwise; it may be a good update all the same. Nothing is said of its values.
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
        """The values of an update that are averaged, in its blocks' own memory."""
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

    def values_by_name(self, tensors: Tensors) -> Iterator[PlacedValues]:
        """The values that are averaged of an update that came in any other way, its tensors by name and as expected."""
        for name, span in self._span_of.items():
            values_P = tensors[name].reshape(-1)
            for done in range(0, span.count, PART_BYTES // span.dtype.itemsize):
                piece_P = values_P[done : done + PART_BYTES // span.dtype.itemsize]
                yield PlacedValues(span.piece(done, len(piece_P)), piece_P)

    def not_averaged(self, update: LaidOutUpdate) -> dict[str, Tensor]:
        """The other tensors of an update, copied: integers, and what is uploaded beside the model."""
        return {
            name: _copied(update.blocks, update.data_start + place.start, place)
            for name, place in self._places.items()
            if name not in self._span_of
        }

    def of_model(self, span: Span) -> Tensor:
        """The global model's values (P,) of a span, of `PART_BYTES` at most. The next call overwrites them."""
        return self.reference.values(span.dtype, span.in_model, span.count)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The spans with neighbours joined. Of a model of one type they become one, or one more for each tensor between."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].piece(joined[-1].count, span.count) == span:
            joined[-1] = replace(joined[-1], count=joined[-1].count + span.count)
        else:
            joined.append(span)
    return joined


def _copied(blocks: Blocks, start: int, place: Place) -> Tensor:
    data = bytearray()
    while len(data) < place.stop - place.start:
        index, offset = divmod(start + len(data), len(blocks[0]))
        data += blocks[index][offset : offset + place.stop - place.start - len(data)]
    return torch.frombuffer(data, dtype=place.dtype).reshape(place.shape)
