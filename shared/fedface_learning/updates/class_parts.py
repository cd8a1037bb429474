"""The part of the class sums that an update of a client brings, if class embeddings stay with their clients (ADR 39).

A client uploads its class embedding w_c at enrolment. In a later round it uploads the one that is in the sums and the one
that takes its place. Both parts of the sums follow from w_c, so no more is uploaded, and all of it is checked: a client can
put one unit vector into the sums, and take out nothing but its own. The aggregator adds the parts and keeps their sums.

Between two rounds a client keeps its class embedding as its residual, and the ledger keeps the residual's SHA-256. So the
aggregator knows whether the class embedding that is taken out is the one that was put in. D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, ClassSums, is_on_the_grid
from fedface_learning.updates.careful_check import unit_lengths

_KEPT: Final = "class_embedding_D"
_MOST_HEADER_BYTES: Final = 4096


def encode_kept(class_embedding_D: Tensor) -> bytes:
    """The residual of a client that keeps its class embedding (D,), as an object."""
    return encode_tensors({_KEPT: class_embedding_D.contiguous()})


def kept_limit(size: int) -> int:
    """The largest size in bytes of the residual that holds a class embedding (D,), where D is ``size``."""
    return _MOST_HEADER_BYTES + size * torch.float32.itemsize


def decode_kept(data: bytes, size: int) -> Tensor:
    """The class embedding (D,) in a client's residual, where D is ``size``. `DamagedObjectError` if there is none."""
    tensors, _ = decode_tensors(data)
    kept_D = tensors.get(_KEPT)
    if tensors.keys() != {_KEPT} or kept_D is None or kept_D.shape != (size,) or kept_D.dtype is not torch.float32:
        found = ", ".join(f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in tensors.items()) or "nothing"
        raise DamagedObjectError(f"this residual must be {_KEPT}, {size} float32 numbers; it holds {found}")
    try:
        check_class_embeddings(_KEPT, kept_D)
    except UpdateRefusedError as error:
        raise DamagedObjectError(f"this residual is no class embedding: {error.detail}") from error
    return kept_D


def check_class_embeddings(name: str, class_embeddings: Tensor) -> Tensor:
    """Check class embeddings (…, D), and return them unchanged.

    `UpdateRefusedError` if one is not of unit length but for rounding, or has a number that is no multiple of 2⁻¹⁵.
    """
    unit_lengths(name, class_embeddings)
    if not is_on_the_grid(class_embeddings):
        raise UpdateRefusedError(
            RefusalReason.OUT_OF_RANGE,
            f"{name} has numbers that are no multiples of 2^-15, so sums of it would not be exact",
        )
    return class_embeddings


def part_at_enrolment(class_embedding_D: Tensor, accepted: AcceptedUpdate) -> ClassSums:
    """What a client's enrolment adds to the class sums. `UpdateRefusedError` if it is no class embedding to add."""
    check_class_embeddings("the class embedding", class_embedding_D)
    _require_kept(class_embedding_D, accepted.residual_sha256, "the class embedding")
    return ClassSums.part_of(class_embedding_D)


def part_of_round(further_tensors: Mapping[str, Tensor], accepted: AcceptedUpdate, kept_sha256: str | None) -> ClassSums:
    """What a checked training update changes of the class sums: the new part, less the one that was there.

    ``kept_sha256`` is the SHA-256 of the residual that the client's newest update in the sums left. `UpdateRefusedError` if
    the class embedding that would be taken out is another one, or the new one is not what the client says that it keeps.
    """
    before_D, after_D = further_tensors[BEFORE_AND_AFTER]
    _require_kept(before_D, kept_sha256, "the class embedding before")
    _require_kept(after_D, accepted.residual_sha256, "the class embedding after")
    return ClassSums.part_of(after_D) - ClassSums.part_of(before_D)


def _require_kept(class_embedding_D: Tensor, sha256: str | None, which: str) -> None:
    found = sha256_hex(encode_kept(class_embedding_D))
    if found != sha256:
        raise UpdateRefusedError(
            RefusalReason.CHANGED, f"{which} makes a residual with the SHA-256 {found}, but {sha256} was accepted"
        )
