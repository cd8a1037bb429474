"""What is checked of a shard's sum, if single updates were masked (ADR 41). The shard counts as a whole, or not at all.

A mean of good updates is good. But a mean can be good although one of its updates is not: one client can move the sum by
anything that keeps the mean in bounds. P values of a block.
"""

from __future__ import annotations

from math import isfinite, sqrt
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.declaration import LARGEST_LOSS
from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.plan import Plan
from fedface_core.domain.update import RefusalReason
from fedface_learning.aggregation.enrolment_partial import EnrolmentPartial
from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.partial import StartingPoint
from fedface_learning.aggregation.training_partial import LOSS_BITS, TrainingPartial
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.objectives.class_sums import LENGTH_TOLERANCE, ClassSums
from fedface_learning.updates.buffer_ranges import VARIANCE, last_part
from fedface_learning.updates.norm import check_norm

_ROUNDING: Final = 1 + 1e-9
"""Contributions are rounded to whole units before they are summed, so a mean may be this much longer than each of them."""


def check_enrolment_sum(partial: EnrolmentPartial, plan: Plan, clients: int) -> None:
    """`UpdateRefusedError` unless so many clients with images and class embeddings can have this sum."""
    _check_counts(partial.folded, partial.enrolled_images, plan, clients)
    assert partial.sums is not None, "the vector of an enrolment has class sums"
    try:
        ClassSums.read(partial.sums.tensors(), plan.model.embedding_size)
    except DamagedObjectError as error:
        raise UpdateRefusedError(RefusalReason.OUT_OF_RANGE, str(error)) from error


def check_training_sum(partial: TrainingPartial, start: StartingPoint, clients: int) -> None:
    """`UpdateRefusedError` unless so many clients that began at ``start`` can have this sum.

    Looked at are counts, losses, the change of the class sums, the norm of the mean change, and the mean buffers.
    """
    _check_counts(partial.folded, partial.images, start.plan, clients)
    largest = partial.images * round(LARGEST_LOSS * 2.0**LOSS_BITS)
    if max(abs(partial.loss_before), abs(partial.loss_after)) > largest:
        raise UpdateRefusedError(RefusalReason.MALFORMED, f"the mean loss is above {LARGEST_LOSS:g} in magnitude")
    assert partial.sums is not None, "the vector of a training has class sums"
    _check_change_of_sums(partial.sums, clients)
    check_norm(_mean_norm(partial.changes, partial.images), start.norm_bounds.largest * _ROUNDING)
    start.trained_form.buffer_ranges.check(_mean_buffers(partial, start))


def _check_counts(folded: int, images: int, plan: Plan, clients: int) -> None:
    if folded != clients:
        raise UpdateRefusedError(
            RefusalReason.WRONG_IMAGE_COUNT, f"the sum counts {folded:.6g} clients, and is of {clients} updates"
        )
    most = plan.data.most_images_of_a_client
    if not clients <= images <= clients * most:
        raise UpdateRefusedError(
            RefusalReason.WRONG_IMAGE_COUNT,
            f"the sum is of {images:.6g} images; {clients} clients have from {clients} to {clients * most}",
        )


def _check_change_of_sums(change: ClassSums, clients: int) -> None:
    """Each client takes one unit vector out of the sums, and puts one in."""
    slack = 3 * LENGTH_TOLERANCE * clients
    length = float(torch.linalg.vector_norm(change.first_D))
    trace = float(change.second_DD.trace())
    largest = float(change.second_DD.abs().max())
    if not (length <= 2 * clients + slack and abs(trace) <= 2 * slack and largest <= clients + slack):
        raise UpdateRefusedError(
            RefusalReason.OUT_OF_RANGE,
            f"{clients} clients change the class sums by a first sum no longer than {2 * clients}, and the second one by a "
            f"trace of 0 and numbers up to {clients}; these are {length:.6g}, {trace:.6g} and {largest:.6g}",
        )


def _mean_norm(changes: ExactSum, images: int) -> float:
    squares = 0.0
    for _, summed_P in changes.blocks(changes.length, 0):
        squares += float((summed_P / images).square().sum())
    return sqrt(squares) if isfinite(squares) else squares


def _mean_buffers(partial: TrainingPartial, start: StartingPoint) -> dict[str, Tensor]:
    """The buffers of the shard's mean model, by name."""
    form = start.trained_form
    positions = sum_positions(form.model)
    counters = partial.changes.counters()
    means = {}
    for name in form.buffer_ranges.names:
        if name in counters:
            means[name] = counters[name]
            continue
        old = form.reference.tensor(name)
        change_P = torch.cat([part_P for _, part_P in partial.changes.blocks(old.numel(), positions[name])])
        mean = (old.double() + change_P.view(old.shape) / partial.images).to(old.dtype)
        means[name] = _without_rounding(mean, partial) if last_part(name) == VARIANCE else mean
    return means


def _without_rounding(variance: Tensor, partial: TrainingPartial) -> Tensor:
    """A variance of 0 may have become less than a unit of the sum below 0."""
    assert partial.changes.fraction_bits is not None, "the sum is of some updates"
    unit = 2.0**-partial.changes.fraction_bits
    return torch.where(variance.abs() <= unit, variance.clamp(min=0), variance)
