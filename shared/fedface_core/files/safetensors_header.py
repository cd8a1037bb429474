"""Checks that a file is safetensors by its size and its header, without reading the values and without torch.

The file is the size of the header (8 bytes, little-endian), the header (JSON), and the tensors' values, one after the other.
The header has an entry for each tensor: its dtype, its shape, and where its values begin and end.
"""

from __future__ import annotations

import json
from math import prod
from mmap import mmap
from typing import Any, Final

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.file_kind import IMPORTED, FileKind, kind_of_bytes

MAX_HEADER_BYTES: Final = 8 * 1024 * 1024
"""SphereNet-64 has a header of 20 kB; a partial's metadata takes 100 bytes a client. The library allows 100 MB."""

MAX_MODEL_BYTES: Final = 2**30
"""Ten times SphereNet-64 is enough for any face network, and bounds the memory that one model file may take."""

DTYPE_BYTES: Final = {"I64": 8, "F64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2, "I8": 1, "U8": 1}
"""dtype → bytes of a value. FedFace reads no other dtypes of the format."""

_SIZE_BYTES: Final = 8
_METADATA: Final = "__metadata__"
_MAX_DIMENSIONS: Final = 8
_ADVICE: Final = "; `fedface model import` makes a model of it"


def check_safetensors(data: bytes | bytearray | mmap, name: str) -> None:
    """Raise `InvalidInputError`, which says what is wrong, unless ``data`` is a whole safetensors file.

    The values are not looked at. The message begins with ``name``, and names a file of another kind for what it is.
    """
    kind = kind_of_bytes(data)
    if kind not in (None, FileKind.SAFETENSORS):
        raise InvalidInputError(f"{name} is not a safetensors file: it is {kind}{_ADVICE if kind in IMPORTED else ''}")
    try:
        _check(data)
    except ValueError as error:
        raise InvalidInputError(f"{name} is not a safetensors file: {error}") from None


def metadata_of(data: bytes | bytearray) -> dict[str, str]:
    """The metadata of a safetensors file that `check_safetensors` has found whole."""
    header_bytes = int.from_bytes(data[:_SIZE_BYTES], "little")
    entries: dict[str, Any] = json.loads(bytes(data[_SIZE_BYTES : _SIZE_BYTES + header_bytes]))
    return entries.get(_METADATA) or {}


def _check(data: bytes | bytearray | mmap) -> None:
    size = len(data)
    if size > MAX_MODEL_BYTES:
        raise ValueError(f"it has {size:,} bytes; a model has {MAX_MODEL_BYTES:,} at most")
    start = bytes(data[:_SIZE_BYTES])
    header_bytes = int.from_bytes(start, "little")
    if len(start) < _SIZE_BYTES or header_bytes > size - _SIZE_BYTES:
        raise ValueError(f"it begins with {start!r}, which is no size of a header in a file of {size:,} bytes")
    if header_bytes > MAX_HEADER_BYTES:
        raise ValueError(f"its header has {header_bytes:,} bytes; {MAX_HEADER_BYTES:,} are allowed")
    header = bytes(data[_SIZE_BYTES : _SIZE_BYTES + header_bytes])
    places = sorted(_place(name, entry) for name, entry in _entries(header).items())
    if not places:
        raise ValueError("it holds no tensor")
    position = 0
    for begin, end, name in places:
        if begin != position:
            raise ValueError(
                f"the values of tensor {name!r:.100} begin at byte {begin}, not where others end, at {position}"
            )
        position = end
    values = size - _SIZE_BYTES - header_bytes
    if position != values:
        raise ValueError(f"its tensors take {position:,} bytes, but {values:,} follow the header")


def _entries(header: bytes) -> dict[str, Any]:
    if not header.startswith(b"{"):
        raise ValueError(f"its header begins with {header[:_SIZE_BYTES]!r}, and should be a JSON object")
    try:
        entries: dict[str, Any] = json.loads(header.decode())
        "".join(entries).encode()  # half a surrogate pair is no text, although Python's parser takes it
    except (ValueError, RecursionError):
        raise ValueError("its header is not JSON") from None
    metadata = entries.pop(_METADATA, None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError(f"its {_METADATA} are not texts by name")
    return entries


def _place(name: str, entry: Any) -> tuple[int, int, str]:
    """Where the values of a tensor begin and end, and its name."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the entry of tensor {name!r:.100} does not name dtype, shape and data_offsets")
    dtype = entry["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise ValueError(f"tensor {name!r:.100} has the dtype {dtype!r:.20}; it must be one of {', '.join(DTYPE_BYTES)}")
    shape = entry["shape"]
    offsets = entry["data_offsets"]
    if not _are_sizes(shape) or len(shape) > _MAX_DIMENSIONS or not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r:.100} has no shape or no data_offsets that a file can have")
    begin, end = offsets
    if end - begin != prod(shape) * DTYPE_BYTES[dtype]:
        raise ValueError(f"tensor {name!r:.100} has {end - begin} bytes of values; its shape and dtype need another number")
    return begin, end, name


def _are_sizes(given: Any) -> bool:
    return isinstance(given, list) and all(type(each) is int and 0 <= each <= MAX_MODEL_BYTES for each in given)
