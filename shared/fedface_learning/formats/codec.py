"""Tensors to bytes and back: safetensors with one JSON object as metadata. Equal tensors and metadata give equal bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import safetensors
import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.files.safetensors_header import MAX_HEADER_BYTES
from fedface_learning.formats.safetensors_layout import DTYPES, METADATA_KEY, Place, header, places_of

_deserialize = cast("Callable[[bytes], list[tuple[str, dict[str, Any]]]]", safetensors.deserialize)


def encode_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any] | None = None) -> bytes:
    """The tensors as safetensors bytes, which depend on nothing but names, dtypes, shapes, values and metadata.

    ``metadata`` is a JSON object without NaN and infinities; `decode_tensors` gives an equal one back.
    """
    return b"".join(encoded_parts(tensors, metadata))


def encoded_parts(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any] | None = None) -> list[bytes | memoryview]:
    """The bytes of `encode_tensors` in parts: the header, then each tensor's memory, which is copied unless contiguous."""
    places = places_of(tensors)
    return [header(places, _metadata_text(metadata)), *(_memory_of(tensors[name]) for name in places)]


def encoded_size(places: Mapping[str, Place], metadata: Mapping[str, Any] | None = None) -> int:
    """How many bytes `encode_tensors` would give for tensors with these places, which are those of `places_of`."""
    return len(header(places, _metadata_text(metadata))) + max((place.stop for place in places.values()), default=0)


def decode_tensors(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors by name and the metadata of safetensors bytes; the tensors own their memory and may be written to.

    Nothing in ``data`` is executed, and no more memory is allocated than its size, so bytes from strangers are safe to
    decode. `DamagedObjectError` says what is wrong with them. The caller checks whether the tensors fit a model.
    """
    header_size = int.from_bytes(data[:8], "little")
    if header_size > MAX_HEADER_BYTES:
        raise DamagedObjectError(
            f"not a safetensors file that we read: it claims a header of {header_size} bytes; "
            f"at most {MAX_HEADER_BYTES} are allowed"
        )
    try:
        views = _deserialize(data)
    except safetensors.SafetensorError as error:
        raise DamagedObjectError(f"not a whole safetensors file ({len(data)} bytes): {error}") from None
    entries = json.loads(data[8 : 8 + header_size]).get("__metadata__") or {}
    return {name: _tensor(name, view) for name, view in sorted(views)}, decode_metadata(entries.get(METADATA_KEY, "{}"))


def _metadata_text(metadata: Mapping[str, Any] | None) -> str:
    return json.dumps(dict(metadata or {}), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _memory_of(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _tensor(name: str, view: dict[str, Any]) -> Tensor:
    """The tensor of a view with dtype, shape and bytes, which safetensors has checked against each other."""
    dtype = DTYPES.get(view["dtype"])
    if dtype is None:
        raise DamagedObjectError(f"tensor {name!r} has the dtype {view['dtype']}; it must be one of {', '.join(DTYPES)}")
    if not view["data"]:
        # frombuffer refuses an empty buffer; and the shape of an empty tensor may be absurd, such as (0, 2**62, 2**62).
        try:
            return torch.empty(view["shape"], dtype=dtype)
        except RuntimeError as error:
            raise DamagedObjectError(f"tensor {name!r} has an impossible shape, {view['shape']}") from error
    return torch.frombuffer(view["data"], dtype=dtype).reshape(view["shape"])


def decode_metadata(text: str) -> dict[str, Any]:
    """The JSON object in ``text``, the metadata that was stored with tensors. `DamagedObjectError` if there is none."""
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedObjectError(f"the metadata entry {METADATA_KEY!r} is not JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise DamagedObjectError(f"the metadata entry {METADATA_KEY!r} must be a JSON object, not {type(metadata).__name__}")
    return metadata


def sha256_hex(*data: bytes | memoryview) -> str:
    """The SHA-256 of ``data``, one part after the other, as 64 lower-case hexadecimal digits."""
    hashed = hashlib.sha256()
    for part in data:
        hashed.update(part)
    return hashed.hexdigest()
