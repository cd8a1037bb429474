"""The layout of a safetensors object: all its bytes but metadata and values follow from names, dtypes and shapes (ADR 14).

An object is the size of the header (8 bytes, little-endian), the header (JSON, padded with spaces to a multiple of 8) and
the data: the tensors' values, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, Final

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.files.safetensors_header import MAX_HEADER_BYTES

# safetensors does not keep the order of its metadata map, so our metadata is a single entry: JSON with sorted keys.
METADATA_KEY: Final = "fedface"

# In the order in which safetensors lays out tensors; those of one dtype are in the order of their names.
# BOOL is left out: in torch, a byte other than 0 and 1 in a bool tensor is undefined behaviour, and strangers send bytes.
DTYPES: Final = {
    "I64": torch.int64,
    "F64": torch.float64,
    "F32": torch.float32,
    "I32": torch.int32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
}
_DTYPE_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}
_DTYPE_RANKS: Final = {dtype: rank for rank, dtype in enumerate(DTYPES.values())}
_HEADER_START: Final = f'{{"__metadata__":{{"{METADATA_KEY}":'.encode()


@dataclass(frozen=True)
class Place:
    """The place of one tensor in the data of an object."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    """The tensor's first byte, counted from the start of the data."""

    @property
    def count(self) -> int:
        """The number of the tensor's values."""
        return prod(self.shape)

    @property
    def stop(self) -> int:
        """The byte after the tensor's last one, counted from the start of the data."""
        return self.start + self.count * self.dtype.itemsize


def places_of(tensors: Mapping[str, Tensor]) -> dict[str, Place]:
    """The place of each tensor, by name, in an object that holds these tensors; in the order of the data."""
    places: dict[str, Place] = {}
    start = 0
    for name in sorted(tensors, key=lambda name: (_DTYPE_RANKS[tensors[name].dtype], name)):
        places[name] = Place(tensors[name].dtype, tuple(tensors[name].shape), start)
        start = places[name].stop
    return places


def header(places: Mapping[str, Place], metadata: str) -> bytes:
    """All bytes before the data of an object with these places and this metadata: the header's size and the header."""
    return _header(metadata, header_end(places))


def _header(metadata: str, end: bytes) -> bytes:
    text = _HEADER_START + json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode() + end
    padded = text + b" " * (-len(text) % 8)
    return len(padded).to_bytes(8, "little") + padded


def header_end(places: Mapping[str, Place]) -> bytes:
    """The bytes of a header with these places that follow the metadata and precede the padding."""
    entries = {
        name: {"dtype": _DTYPE_NAMES[place.dtype], "shape": place.shape, "data_offsets": (place.start, place.stop)}
        for name, place in places.items()
    }
    text = json.dumps({"": {}} | entries, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.removeprefix('{"":{').encode()


def parse_metadata(start: bytes, end: bytes) -> str | None:
    """The metadata in ``start``, all bytes before the data of an object, if `header` wrote them with this `header_end`.

    None if a single byte differs from what `header` writes, or if the header has more than `MAX_HEADER_BYTES`.
    """
    if len(start) > 8 + MAX_HEADER_BYTES:
        return None
    try:
        metadata = json.loads(start[8:].rstrip(b" ").removeprefix(_HEADER_START).removesuffix(end))
        return metadata if isinstance(metadata, str) and _header(metadata, end) == start else None
    except (ValueError, RecursionError):
        return None


def read_header(file: BinaryIO) -> tuple[dict[str, Place], dict[str, Any], int]:
    """The places by name and the metadata of an object that FedFace wrote, and the byte at which its data starts.

    `DamagedObjectError` if the file holds no such object. For bytes from strangers use `decode_tensors`, which checks more.
    """
    size = int.from_bytes(file.read(8), "little")
    try:
        entries = json.loads(file.read(min(size, MAX_HEADER_BYTES)))
        metadata = json.loads(entries.pop("__metadata__")[METADATA_KEY])
        places = {
            name: Place(DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"][0])
            for name, entry in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedObjectError(f"not a safetensors file that we wrote: {error!r}") from error
    for name, place in places.items():
        if not all(type(number) is int and number >= 0 for number in (*place.shape, place.start)):
            raise DamagedObjectError(
                f"not a safetensors file that we wrote: {name} has the shape {place.shape} and starts at {place.start!r}"
            )
    return places, metadata, 8 + size
