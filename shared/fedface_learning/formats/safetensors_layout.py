"""Where safetensors puts what: the bytes of an object but for its metadata, known from names, types and shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, Final

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError

# safetensors keeps its metadata map in no stable order, so ours is a single entry: JSON with sorted keys.
METADATA_KEY: Final = "fedface"

# Its own bound is 100 MB; the header of SphereNet-64 has 20 kB, and a partial's metadata about 100 bytes a client.
MAX_HEADER_BYTES: Final = 8 * 1024 * 1024

# In the order in which safetensors lays tensors out; those of one type by name.
# No BOOL: a byte other than 0 and 1 in one is undefined behaviour in torch, and bytes come from strangers.
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
_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}
_RANKS: Final = {dtype: rank for rank, dtype in enumerate(DTYPES.values())}
_HEADER_START: Final = f'{{"__metadata__":{{"{METADATA_KEY}":'.encode()


@dataclass(frozen=True)
class Place:
    """One tensor in the data of an object."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    """Bytes from the start of the data, which follows the header."""

    @property
    def count(self) -> int:
        """Values."""
        return prod(self.shape)

    @property
    def stop(self) -> int:
        """The byte after its last."""
        return self.start + self.count * self.dtype.itemsize


def places_of(tensors: Mapping[str, Tensor]) -> dict[str, Place]:
    """The place of each tensor in an object of these tensors, in the order of their places."""
    places: dict[str, Place] = {}
    start = 0
    for name in sorted(tensors, key=lambda name: (_RANKS[tensors[name].dtype], name)):
        places[name] = Place(tensors[name].dtype, tuple(tensors[name].shape), start)
        start = places[name].stop
    return places


def header(places: Mapping[str, Place], metadata: str) -> bytes:
    """The bytes before the data of such an object: the header's size, and the header, padded to a multiple of 8."""
    return _header(metadata, header_end(places))


def _header(metadata: str, end: bytes) -> bytes:
    text = _HEADER_START + json.dumps(metadata, ensure_ascii=False).encode() + end
    padded = text + b" " * (-len(text) % 8)
    return len(padded).to_bytes(8, "little") + padded


def header_end(places: Mapping[str, Place]) -> bytes:
    """What a header of these places ends with, after the metadata and before the padding."""
    entries = {
        name: {"dtype": _NAMES[place.dtype], "shape": place.shape, "data_offsets": (place.start, place.stop)}
        for name, place in places.items()
    }
    text = json.dumps({"": {}} | entries, separators=(",", ":"), ensure_ascii=False)
    return text.removeprefix('{"":{').encode()


def parse_metadata(start: bytes, end: bytes) -> str | None:
    """The metadata of an object whose bytes before the data are ``start``, if `header` wrote these, with this `header_end`.

    None if a single byte differs from what it writes, or if they are more than `MAX_HEADER_BYTES`.
    """
    if len(start) > 8 + MAX_HEADER_BYTES:
        return None
    try:
        metadata = json.loads(start[8:].rstrip(b" ").removeprefix(_HEADER_START).removesuffix(end))
        return metadata if isinstance(metadata, str) and _header(metadata, end) == start else None
    except (ValueError, RecursionError):
        return None


def read_header(file: BinaryIO) -> tuple[dict[str, Place], dict[str, Any], int]:
    """The places and the metadata of an object of ours, and the byte at which its data starts.

    `DamagedObjectError` where the file is none. It is not for bytes from strangers: `decode_tensors` is.
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
    return places, metadata, 8 + size
