"""The careful check of an update, tensor by tensor, by name and in float64. It defines what a good update is:

1. Names: the update has the tensors that its form expects, and no others.
2. Shape: each tensor has the expected shape.
3. Type: each tensor has the expected dtype.
4. Finite: no value is infinite or NaN.
5. Image count: the update reports as many images as were accepted.
6. Norm: the distance of the client's model from the global model is at most `cohort.max_update_norm` (`norm.py`).
7. Ranges: the model's buffers are what training can make of the global model's (`buffer_ranges.py`).
8. Directions: the tensors beside the model, which the strategy asks for, are of unit length but for rounding; class
   embeddings that enter sums are also on the grid on which these are exact (`class_parts.py`).

Every function here raises `UpdateRefusedError`, with the reason and what was found, if its invariant does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.objectives.class_sums import LENGTH_TOLERANCE
from fedface_learning.updates.form import Blocks, PlacedValues, UpdateForm
from fedface_learning.updates.norm import check_norm, exact_norm


@dataclass(frozen=True)
class CheckedUpdate:
    """An update that has passed all checks."""

    values: Iterator[PlacedValues]
    """The values to average. Iterate once, and before the blocks of the update are overwritten."""
    counters: Mapping[str, Tensor]
    """The model's integer tensors, by name."""
    further_tensors: Mapping[str, Tensor]
    """The tensors beside the model, which the strategy asks for, by name. Of unit length in the last dimension."""
    norm: float | None = None
    """The distance of the client's model from the global model; None if it was enough to know that it is in its bound."""


def check_carefully(blocks: Blocks, accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate:
    """Check the update in the blocks, which may have any safetensors layout and the encoding of ``form``. Copies its values.

    `UpdateRefusedError` if an invariant does not hold.
    """
    tensors = check_tensors(blocks, accepted, form.expected)
    model = form.decode(tensors)
    norm = exact_norm(form.values_by_name(model), form)
    check_norm(norm, max_norm)
    form.buffer_ranges.check(model)
    directions = check_directions(tensors, form)
    counters = {name: model[name] for name, tensor in form.model.items() if not tensor.is_floating_point()}
    return CheckedUpdate(form.values_by_name(model), counters, directions, norm)


def check_tensors(blocks: Blocks, accepted: AcceptedUpdate, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Decode the blocks, check names, shapes, dtypes, finite values and image count, and return the tensors by name.

    ``expected`` gives the names, shapes and dtypes. `UpdateRefusedError` if the blocks are no safetensors or a check fails.
    """
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
    """Check that the update has the expected tensors and no others. `UpdateRefusedError` names those that differ."""
    missing = sorted(expected.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - expected.keys())
    if missing or unexpected:
        faults = [
            f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("unexpected", unexpected)) if names
        ]
        raise UpdateRefusedError(RefusalReason.WRONG_TENSORS, f"the tensors are not those of an update; {'; '.join(faults)}")


def check_shape(name: str, tensor: Tensor, expected: Tensor) -> None:
    """Check that a tensor has the expected shape. `UpdateRefusedError` if not."""
    if tensor.shape != expected.shape:
        raise UpdateRefusedError(
            RefusalReason.WRONG_SHAPE, f"{name} has the shape {tuple(tensor.shape)}; it must be {tuple(expected.shape)}"
        )


def check_dtype(name: str, tensor: Tensor, expected: Tensor) -> None:
    """Check that a tensor has the expected dtype. `UpdateRefusedError` if not."""
    if tensor.dtype != expected.dtype:
        raise UpdateRefusedError(
            RefusalReason.WRONG_DTYPE, f"{name} has the type {tensor.dtype}; it must be {expected.dtype}"
        )


def check_finite(name: str, tensor: Tensor) -> None:
    """Check that a tensor holds neither NaN nor infinity. `UpdateRefusedError` counts such values."""
    if not tensor.isfinite().all():
        raise UpdateRefusedError(
            RefusalReason.NOT_FINITE, f"{name} holds {int((~tensor.isfinite()).sum())} values that are NaN or infinite"
        )


def check_image_count(metadata: Mapping[str, Any], accepted: AcceptedUpdate) -> None:
    """Check that the update reports as many images as were accepted, because they are its weight in the average.

    `UpdateRefusedError` if not.
    """
    images = metadata.get("images")
    if images != accepted.images:
        raise UpdateRefusedError(
            RefusalReason.WRONG_IMAGE_COUNT, f"the update says {images!r} images, but {accepted.images} were accepted"
        )


def check_directions(tensors: Mapping[str, Tensor], form: UpdateForm) -> dict[str, Tensor]:
    """What is used of the tensors that an update has beside the model, by name: the directions, float32.

    `UpdateRefusedError` if one is not finite, or not as the form asks.
    """
    for name in form.further_tensors:
        check_finite(name, tensors[name])
    check = form.check_further or unit_directions
    return {name: check(name, tensors[name]) for name in form.further_tensors}


def unit_directions(name: str, tensor: Tensor) -> Tensor:
    """The tensor normalised in its last dimension, float32.

    `UpdateRefusedError` if it was not of unit length before, but for rounding (1e-3).
    """
    lengths = unit_lengths(name, tensor)
    return (tensor.double() / lengths).float()


def unit_lengths(name: str, tensor: Tensor) -> Tensor:
    """The lengths (…, 1) of vectors (…, D), float64. `UpdateRefusedError` if one is not 1 but for rounding (1e-3)."""
    lengths: Tensor = torch.linalg.vector_norm(tensor.double(), dim=-1, keepdim=True)
    if not bool(((lengths - 1).abs() <= LENGTH_TOLERANCE).all()):
        raise UpdateRefusedError(
            RefusalReason.NORM_EXCEEDED,
            f"{name} has lengths from {float(lengths.min()):.6g} to {float(lengths.max()):.6g}; it must be of length 1",
        )
    return lengths
