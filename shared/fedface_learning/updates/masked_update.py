"""A masked update as an object: one vector of V numbers, which look random, and nothing else that tells of its client.

Its metadata name the model version that the client started from, and the residual that the client has sealed for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import torch

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.formats.safetensors_layout import header_end, parse_metadata, places_of
from fedface_learning.masking import Vector
from fedface_learning.updates.checks import read_accepted
from fedface_learning.updates.form import Blocks, size_limit

_MASKED: Final = "masked_V"


def encode_masked(masked: Vector, started_from: str | None, residual_sha256: str) -> tuple[bytes, AcceptedUpdate]:
    """The object of a masked vector (V,), and what the ledger records of it."""
    metadata: dict[str, Any] = {"images": None, "residual_sha256": residual_sha256, "started_from": started_from}
    data = encode_tensors({_MASKED: torch.from_numpy(masked.view(np.int64))}, metadata)
    return data, AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})


def masked_limit(length: int) -> int:
    """The largest size in bytes of a masked update with so many numbers."""
    return size_limit({_MASKED: _like(length)})


def add_masked(total: Vector, blocks: Iterable[memoryview], accepted: AcceptedUpdate) -> None:
    """Add the vector of a masked update to ``total`` (V,), modulo 2⁶⁴.

    ``blocks`` are the update's object, as `form.Blocks` describes; they are read one by one. `UpdateRefusedError` if the
    object is not the one accepted, or holds no vector of this length; then nothing was added.
    """
    read = read_accepted(blocks, accepted)
    done = 0
    for values in _values(read, _data_start(read, len(total))):
        total[done : done + len(values)] += values
        done += len(values)


def _like(length: int) -> torch.Tensor:
    return torch.empty(length, dtype=torch.int64, device="meta")


def _data_start(read: Blocks, length: int) -> int:
    """The byte at which the vector begins. `UpdateRefusedError` if the object has not just the form of a masked update."""
    end = header_end(places_of({_MASKED: _like(length)}))
    if read:
        start = 8 + int.from_bytes(read[0][:8], "little")
        whole = start <= len(read[0]) and start + 8 * length == sum(map(len, read))
        if whole and parse_metadata(bytes(read[0][:start]), end) is not None:
            return start
    raise UpdateRefusedError(
        RefusalReason.MALFORMED, f"a masked update of this round is one vector of {length} numbers; this object is none"
    )


def _values(read: Blocks, start: int) -> Iterable[Vector]:
    """The numbers from byte ``start`` on. Headers and blocks are multiples of 8 bytes, so no number is in two blocks."""
    yield np.frombuffer(read[0][start:], dtype="<u8")
    for block in read[1:]:
        yield np.frombuffer(block, dtype="<u8")
