"""Updates are hostile until checked: what the aggregator refuses, and why, before anything is summed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.formats.codec import decode_metadata, decode_tensors
from fedface_learning.formats.safetensors_layout import metadata_between
from fedface_learning.updates.form import Blocks, Part, UpdateForm

MEAN_EMBEDDING: Final = "mean_embedding"
"""The name of the one tensor of an enrolment update."""

_LENGTH_TOLERANCE: Final = 1e-3
_CLEARLY_WITHIN: Final = 0.999  # a distance in float32 is far less than this share wrong


@dataclass(frozen=True)
class CheckedUpdate:
    """What a client trained, once it is known to be what was accepted and to fit the global model."""

    parts: Iterator[Part]
    """The values to average, to be taken once, and while the blocks that it was read from are still its own."""
    counters: Mapping[str, Tensor]
    further: Mapping[str, Tensor]
    """What the strategy has uploaded beside the model: of unit length in the last dimension."""


def enrolment_reference(embedding_size: int) -> dict[str, Tensor]:
    """What an enrolment update must look like: one mean embedding (D,)."""
    return {MEAN_EMBEDDING: torch.zeros(embedding_size)}


def check_update(blocks: Iterable[memoryview], accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate:
    """A client's update, checked. ``blocks`` are its object, as `form.Blocks`; they are taken one by one.

    Its hash is taken as they come. Then one look at all values shows most updates to be good: of the form expected, and
    within the norm, which no value that is not finite is. Any other is looked at closely, and so is an encoded one.
    `UpdateRefusedError` carries the reason and names the tensor.
    """
    taken = _take(blocks, accepted)
    at_once = _good_at_once(taken, accepted, form, max_norm) if form.encoding.change is None else None
    return at_once or _looked_at_closely(taken, accepted, form, max_norm)


def check_mean_embedding(blocks: Iterable[memoryview], accepted: AcceptedUpdate, embedding_size: int) -> Tensor:
    """The mean embedding (D,) of a client's enrolment update, checked as `check_update` does, norm apart."""
    taken = _take(blocks, accepted)
    return _check_tensors(b"".join(taken), accepted, enrolment_reference(embedding_size))[MEAN_EMBEDDING]


def _take(blocks: Iterable[memoryview], accepted: AcceptedUpdate) -> Blocks:
    """All of an object, which must be the one accepted."""
    taken, hashed = [], hashlib.sha256()
    for block in blocks:
        hashed.update(block)
        taken.append(block)
    if hashed.hexdigest() != accepted.sha256:
        raise UpdateRefusedError(
            RefusalReason.CHANGED, f"the object's SHA-256 is {hashed.hexdigest()}, but {accepted.sha256} was accepted"
        )
    return taken


def _good_at_once(blocks: Blocks, accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate | None:
    """The update, where it is laid out as we write them and clearly has nothing wrong; None where it may have."""
    data_start = 8 + int.from_bytes(blocks[0][:8], "little") if blocks else 0
    if not blocks or data_start % 8 or data_start > len(blocks[0]) or data_start + form.data_bytes != sum(map(len, blocks)):
        return None
    text = metadata_between(bytes(blocks[0][8:data_start]), form.header_end)
    try:
        metadata = decode_metadata(json.loads(text or b"null"))
    except (ValueError, TypeError, RecursionError, InvalidInputError):
        return None
    squares = 0.0
    for run, values_P in form.parts(blocks, data_start):
        difference_P = torch.sub(values_P.float(), form.of_model(run).float())
        squares += float(torch.linalg.vector_norm(difference_P)) ** 2
    if metadata.get("images") != accepted.images or not sqrt(squares) < max_norm * _CLEARLY_WITHIN:
        return None
    others = form.not_averaged(blocks, data_start)
    further = {name: others.pop(name) for name in form.further}
    if not all(bool(tensor.isfinite().all()) for tensor in further.values()):
        return None
    directions = {name: _direction(name, tensor) for name, tensor in further.items()}
    return CheckedUpdate(form.parts(blocks, data_start), others, directions)


def _looked_at_closely(blocks: Blocks, accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate:
    """The same by names, tensor by tensor and in float64; the update is copied."""
    tensors = _check_tensors(b"".join(blocks), accepted, form.expected)
    model = form.decoded(tensors)
    distance = sqrt(sum(_squares(values_P, form.of_model(run)) for run, values_P in form.parts_of(model)))
    if not distance <= max_norm:
        raise UpdateRefusedError(
            RefusalReason.NORM_EXCEEDED,
            f"the update is {distance:.6g} from the global model (L2 over all parameters and buffers); "
            f"at most {max_norm:.6g} is allowed",
        )
    directions = {name: _direction(name, tensors[name]) for name in form.further}
    counters = {name: model[name] for name, tensor in form.model.items() if not tensor.is_floating_point()}
    return CheckedUpdate(form.parts_of(model), counters, directions)


def update_norm(update: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> float:
    """‖update − reference‖₂ over all floating-point tensors, parameters and buffers."""
    return sqrt(sum(_squares(update[name], tensor) for name, tensor in reference.items() if tensor.is_floating_point()))


def _squares(values: Tensor, reference: Tensor) -> float:
    return float((values.double() - reference.double()).square().sum())


def _check_tensors(data: bytes, accepted: AcceptedUpdate, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of an update by name, each of the shape and type expected, and finite."""
    try:
        tensors, metadata = decode_tensors(data)
    except InvalidInputError as error:
        raise UpdateRefusedError(RefusalReason.MALFORMED, str(error)) from error
    _check_names(tensors, expected)
    for name, like in expected.items():
        _check_tensor(name, tensors[name], like)
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
