"""The careful check of an update, which states what must hold of it: tensor by tensor, by name and in float64.

1. Names: the update has the tensors that its form expects, and no others.
2. Shape: each is of the shape expected.
3. Type: each is of the type expected.
4. Finite: no value is infinite or NaN.
5. Image count: the update says as many images as were accepted.
6. Norm: the model that it stands for is within the plan's bound, `cohort.max_update_norm`, of the global model (`norm.py`).
7. Directions: what the strategy has clients upload beside the model is of unit length, but for rounding.

Every function here raises `UpdateRefusedError`, with the reason and what was found, if its invariant does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.updates.form import Blocks, PlacedValues, UpdateForm
from fedface_learning.updates.norm import check_norm, exact_norm

_LENGTH_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class CheckedUpdate:
    """What a client trained, once it is known to be what was accepted and to fit the global model."""

    values: Iterator[PlacedValues]
    """The values to average, to be taken once, and while the blocks that it was read from are still its own."""
    counters: Mapping[str, Tensor]
    """The model's integer tensors by name."""
    further_tensors: Mapping[str, Tensor]
    """What the strategy has clients upload beside the model, by name: of unit length in the last dimension."""


def carefully_checked(blocks: Blocks, accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate:
    """The update that the blocks hold, in any safetensors layout and any encoding of its form. Its values are copied."""
    tensors = tensors_checked(blocks, accepted, form.expected)
    model = form.decoded(tensors)
    check_norm(exact_norm(form.values_by_name(model), form), max_norm)
    directions = {name: unit_directions(name, tensors[name]) for name in form.further_tensors}
    counters = {name: model[name] for name, tensor in form.model.items() if not tensor.is_floating_point()}
    return CheckedUpdate(form.values_by_name(model), counters, directions)


def tensors_checked(blocks: Blocks, accepted: AcceptedUpdate, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that the blocks hold, by name: those expected, each of its shape and type, and finite."""
    try:
        tensors, metadata = decode_tensors(b"".join(blocks))
    except DamagedObjectError as error:
        raise UpdateRefusedError(RefusalReason.MALFORMED, str(error)) from error
    check_names(tensors, expected)
    for name, like in expected.items():
        check_shape(name, tensors[name], like)
        check_dtype(name, tensors[name], like)
        check_finite(name, tensors[name])
    check_image_count(metadata, accepted)
    return tensors


def check_names(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """The update has the tensors expected, and no others."""
    missing = sorted(expected.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - expected.keys())
    if missing or unexpected:
        faults = [
            f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("unexpected", unexpected)) if names
        ]
        raise UpdateRefusedError(RefusalReason.WRONG_TENSORS, f"the tensors are not those of an update; {'; '.join(faults)}")


def check_shape(name: str, tensor: Tensor, expected: Tensor) -> None:
    """The tensor of this name is of the shape expected."""
    if tensor.shape != expected.shape:
        raise UpdateRefusedError(
            RefusalReason.WRONG_SHAPE, f"{name} has the shape {tuple(tensor.shape)}; it must be {tuple(expected.shape)}"
        )


def check_dtype(name: str, tensor: Tensor, expected: Tensor) -> None:
    """The tensor of this name is of the type expected."""
    if tensor.dtype != expected.dtype:
        raise UpdateRefusedError(
            RefusalReason.WRONG_DTYPE, f"{name} has the type {tensor.dtype}; it must be {expected.dtype}"
        )


def check_finite(name: str, tensor: Tensor) -> None:
    """The tensor of this name holds no NaN and no infinity."""
    if not tensor.isfinite().all():
        raise UpdateRefusedError(
            RefusalReason.NOT_FINITE, f"{name} holds {int((~tensor.isfinite()).sum())} values that are NaN or infinite"
        )


def check_image_count(metadata: Mapping[str, Any], accepted: AcceptedUpdate) -> None:
    """The update says as many images as were accepted: they are its weight in the average."""
    images = metadata.get("images")
    if images != accepted.images:
        raise UpdateRefusedError(
            RefusalReason.WRONG_IMAGE_COUNT, f"the update says {images!r} images, but {accepted.images} were accepted"
        )


def unit_directions(name: str, tensor: Tensor) -> Tensor:
    """The tensor of this name at unit length in its last dimension, float32; it must have been so but for rounding."""
    lengths: Tensor = torch.linalg.vector_norm(tensor.double(), dim=-1, keepdim=True)
    if not bool(((lengths - 1).abs() <= _LENGTH_TOLERANCE).all()):
        raise UpdateRefusedError(
            RefusalReason.NORM_EXCEEDED,
            f"{name} has lengths from {float(lengths.min()):.6g} to {float(lengths.max()):.6g}; it must be of length 1",
        )
    return (tensor.double() / lengths).float()
