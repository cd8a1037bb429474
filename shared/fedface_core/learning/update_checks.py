"""Updates are hostile until checked: what the aggregator refuses, and why, before anything is summed."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Final

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.learning.codec import decode_tensors, sha256_hex
from fedface_core.learning.strategies import NOTHING
from fedface_core.learning.update_encoding import WHOLE_MODEL, UpdateEncoding

MEAN_EMBEDDING: Final = "mean_embedding"
"""The name of the one tensor of an enrolment update."""

_LENGTH_TOLERANCE: Final = 1e-3
_HEADER_BYTES: Final = 4096  # safetensors' own framing and our metadata, generously
_HEADER_BYTES_A_TENSOR: Final = 256  # dtype, shape and offsets of one tensor as JSON


def size_limit(*references: Mapping[str, Tensor]) -> int:
    """The most bytes that an update of these tensors can need. What is larger is refused before it is downloaded."""
    return _HEADER_BYTES + sum(
        tensor.nbytes + len(name.encode()) + _HEADER_BYTES_A_TENSOR
        for reference in references
        for name, tensor in reference.items()
    )


def enrolment_reference(embedding_size: int) -> dict[str, Tensor]:
    """What an enrolment update must look like: one mean embedding (D,)."""
    return {MEAN_EMBEDDING: torch.zeros(embedding_size)}


def further_reference(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """What the tensors that a strategy has clients upload beside the model must look like."""
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def check_update(
    data: bytes,
    accepted: AcceptedUpdate,
    reference: Mapping[str, Tensor],
    max_norm: float,
    further: Mapping[str, Tensor] = NOTHING,
    encoding: UpdateEncoding = WHOLE_MODEL,
) -> dict[str, Tensor]:
    """The client's model, and what it uploads beside it, once they are known to be what was accepted and to fit.

    ``reference`` is the model that the cohort started from, ``encoding`` how updates tell of a model, and ``further`` what
    the strategy has clients upload beside it: of unit length in the last dimension. `UpdateRefusedError` carries the reason
    and names the tensor.
    """
    tensors = _check_tensors(data, accepted, {**encoding.layout(reference), **further})
    model = encoding.decode(tensors, reference)
    distance = update_norm(model, reference)
    if not distance <= max_norm:
        raise UpdateRefusedError(
            RefusalReason.NORM_EXCEEDED,
            f"the update is {distance:.6g} from the global model (L2 over all parameters and buffers); "
            f"at most {max_norm:.6g} is allowed",
        )
    return {**model, **{name: _direction(name, tensors[name]) for name in further}}


def check_mean_embedding(data: bytes, accepted: AcceptedUpdate, embedding_size: int) -> Tensor:
    """The mean embedding (D,) of a client's enrolment update, checked as `check_update` does, norm apart."""
    return _check_tensors(data, accepted, enrolment_reference(embedding_size))[MEAN_EMBEDDING]


def update_norm(update: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> float:
    """‖update − reference‖₂ over all floating-point tensors, parameters and buffers."""
    return sqrt(
        sum(
            float((update[name].double() - tensor.double()).square().sum())
            for name, tensor in reference.items()
            if tensor.is_floating_point()
        )
    )


def _check_tensors(data: bytes, accepted: AcceptedUpdate, reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if sha256_hex(data) != accepted.sha256:
        raise UpdateRefusedError(
            RefusalReason.CHANGED, f"the object's SHA-256 is {sha256_hex(data)}, but {accepted.sha256} was accepted"
        )
    try:
        tensors, metadata = decode_tensors(data)
    except InvalidInputError as error:
        raise UpdateRefusedError(RefusalReason.MALFORMED, str(error)) from error
    _check_names(tensors, reference)
    for name, expected in reference.items():
        _check_tensor(name, tensors[name], expected)
    _check_image_count(metadata, accepted)
    return tensors


def _direction(name: str, tensor: Tensor) -> Tensor:
    """The tensor at unit length, where it was sent so but for rounding."""
    lengths: Tensor = torch.linalg.vector_norm(tensor.double(), dim=-1, keepdim=True)
    if not bool(((lengths - 1).abs() <= _LENGTH_TOLERANCE).all()):
        raise UpdateRefusedError(
            RefusalReason.NORM_EXCEEDED,
            f"{name} has lengths from {float(lengths.min()):.6g} to {float(lengths.max()):.6g}; it must be of length 1",
        )
    return (tensor.double() / lengths).float()


def _check_names(tensors: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> None:
    missing, unexpected = sorted(reference.keys() - tensors.keys()), sorted(tensors.keys() - reference.keys())
    if missing or unexpected:
        faults = [
            f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("unexpected", unexpected)) if names
        ]
        raise UpdateRefusedError(RefusalReason.WRONG_TENSORS, f"the tensors are not those of an update; {'; '.join(faults)}")


def _check_tensor(name: str, tensor: Tensor, expected: Tensor) -> None:
    if tensor.shape != expected.shape:
        raise UpdateRefusedError(
            RefusalReason.WRONG_SHAPE, f"{name} has the shape {tuple(tensor.shape)}; it must be {tuple(expected.shape)}"
        )
    if tensor.dtype != expected.dtype:
        raise UpdateRefusedError(
            RefusalReason.WRONG_DTYPE, f"{name} has the type {tensor.dtype}; it must be {expected.dtype}"
        )
    if not tensor.isfinite().all():
        raise UpdateRefusedError(
            RefusalReason.NOT_FINITE, f"{name} holds {int((~tensor.isfinite()).sum())} values that are NaN or infinite"
        )


def _check_image_count(metadata: Mapping[str, Any], accepted: AcceptedUpdate) -> None:
    images = metadata.get("images")
    if images != accepted.images:
        raise UpdateRefusedError(
            RefusalReason.WRONG_IMAGE_COUNT, f"the update says {images!r} images, but {accepted.images} were accepted"
        )
