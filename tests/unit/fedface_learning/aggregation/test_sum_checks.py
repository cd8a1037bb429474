"""A shard's sum that its clients can have is taken; one that they cannot have is refused, with what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from fedface_core.domain.declaration import LARGEST_LOSS
from fedface_core.domain.errors import UpdateRefusedError
from fedface_learning.aggregation import EnrolmentPartial, TrainingPartial
from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.partial_vector import PartialVector
from fedface_learning.aggregation.sum_checks import check_enrolment_sum, check_training_sum
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.objectives.class_sums import ClassSums
from support.masked_shards import enrolments, folded, masked_plan, trainings, without_names

CLIENTS = 4


def enrolled() -> EnrolmentPartial:
    plain = folded(enrolments(3, CLIENTS), None, 0)
    assert isinstance(plain, EnrolmentPartial)
    return without_names(plain)


@pytest.mark.parametrize("size", [0.0, 1.0, 100.0])
def test_what_clients_sum_up_to_passes(size: float) -> None:
    start, updates = trainings(3, CLIENTS, size)
    plain = folded(updates, start, 1)
    assert isinstance(plain, TrainingPartial)
    check_training_sum(plain, start, CLIENTS)
    check_enrolment_sum(enrolled(), masked_plan(), CLIENTS)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"unnamed_clients": 5}, "counts 5 clients, and is of 4 updates"),
        ({"unnamed_images": 3}, "4 clients have from 4 to 48"),
        ({"unnamed_images": 49}, "4 clients have from 4 to 48"),
        ({"unnamed_images": -(2**63)}, "4 clients have from 4 to 48"),
        ({"sums": ClassSums.empty(16)}, "class sums of 0 clients|have that trace|fewer"),
    ],
)
def test_an_enrolment_that_nobody_can_have_is_refused(changes: dict[str, Any], wrong: str) -> None:
    partial = enrolled()
    if isinstance(sums := changes.get("sums"), ClassSums):
        changes = {"sums": replace(sums, clients=CLIENTS)}
    with pytest.raises(UpdateRefusedError, match=wrong):
        check_enrolment_sum(replace(partial, **changes), masked_plan(), CLIENTS)


def training(**changes: Any) -> None:
    start, updates = trainings(3, CLIENTS)
    plain = folded(updates, start, 1)
    assert isinstance(plain, TrainingPartial)
    check_training_sum(replace(plain, **changes), start, CLIENTS)


def big_loss(images: int) -> int:
    return (images * round(LARGEST_LOSS * 2.0**40)) + 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"folded": 3}, "wrong_image_count"),
        ({"images": 0}, "wrong_image_count"),
        ({"images": 49}, "wrong_image_count"),
        ({"loss_before": big_loss(48)}, "malformed"),
        ({"loss_after": -big_loss(48)}, "malformed"),
        ({"sums": ClassSums(0, torch.full((16,), 3.0).double(), torch.zeros(16, 16).double())}, "out_of_range"),
        ({"sums": ClassSums(0, torch.zeros(16).double(), torch.eye(16).double())}, "out_of_range"),
        (
            {"sums": ClassSums(0, torch.zeros(16).double(), torch.full((16, 16), 5.0).fill_diagonal_(0.0).double())},
            "out_of_range",
        ),
    ],
)
def test_a_training_that_nobody_can_have_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UpdateRefusedError) as refusal:
        training(**changes)
    assert refusal.value.reason == reason


def moved(name: str, by: float) -> TrainingPartial:
    """The partial of good updates, and one value of the sum moved by so much for each image."""
    start, updates = trainings(3, CLIENTS)
    plain = folded(updates, start, 1)
    assert isinstance(plain, TrainingPartial)
    bits = plain.changes.fraction_bits
    assert bits is not None
    [(_, sum_P)] = plain.changes.parts()
    sum_P[sum_positions(start.trained_form.model)[name]] += round(by * plain.images * 2.0**bits)
    changes = ExactSum.of(sum_P, plain.changes.counters(), bits)
    return replace(plain, changes=changes)


def test_a_mean_that_has_moved_too_far_is_refused() -> None:
    start, _ = trainings(3, CLIENTS)
    name = next(iter(sum_positions(start.trained_form.model)))
    check_training_sum(moved(name, 99.0), start, CLIENTS)
    with pytest.raises(UpdateRefusedError, match="from the global model") as refusal:
        check_training_sum(moved(name, 101.0), start, CLIENTS)
    assert refusal.value.reason == "norm_exceeded"


def test_a_mean_variance_below_zero_is_refused() -> None:
    start, _ = trainings(3, CLIENTS)
    name = next(name for name in start.trained_form.buffer_ranges.names if name.endswith("running_var"))
    with pytest.raises(UpdateRefusedError, match="running_var has the value -") as refusal:
        check_training_sum(moved(name, -2.0), start, CLIENTS)
    assert refusal.value.reason == "out_of_range"


def test_the_vector_of_a_good_sum_passes_too() -> None:
    start, updates = trainings(3, CLIENTS)
    plain = folded(updates, start, 1)
    form = PartialVector.of(start, 1)
    found = form.partial(form.flatten(plain), plain.size)
    assert isinstance(found, TrainingPartial)
    check_training_sum(found, start, CLIENTS)
