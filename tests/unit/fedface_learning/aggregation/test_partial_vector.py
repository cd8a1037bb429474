"""Vectors of clients add up, modulo 2⁶⁴, to a vector that is the partial of their updates, to the byte."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation import EnrolmentPartial, Partial, StartingPoint, TrainingPartial
from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.partial_vector import PartialVector
from fedface_learning.client.masked import vector_of
from fedface_learning.client.update import Update
from fedface_learning.masking import Vector
from fedface_learning.objectives.class_sums import ClassSums
from support.masked_shards import enrolment_start, enrolments, folded, trainings, without_names
from support.server_rounds import stored_again

SIZES = st.sampled_from([0.0, 1e-6, 1.0, 100.0])


def encoded(partial: Partial) -> bytes:
    return b"".join(partial.encoded_parts())


def summed(start: StartingPoint, updates: dict[str, Update], number: int) -> Vector:
    return reduce(np.add, (vector_of(client, update, start, number) for client, update in updates.items()))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5), SIZES)
def test_the_sum_of_vectors_is_the_partial_to_the_byte(seed: int, clients: int, size: float) -> None:
    start, updates = trainings(seed, clients, size)
    plain = folded(updates, start, 1)
    form = PartialVector.of(start, 1)
    total = summed(start, updates, 1)
    assert encoded(form.partial(total, plain.size)) == encoded(plain)
    assert encoded(form.partial(form.flatten(plain), plain.size)) == encoded(plain)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 8))
def test_the_sum_of_enrolments_is_the_partial_without_names(seed: int, clients: int) -> None:
    updates = enrolments(seed, clients)
    plain = folded(updates, None, 0)
    assert isinstance(plain, EnrolmentPartial)
    form = PartialVector.of(enrolment_start(), 0)
    found = form.partial(summed(enrolment_start(), updates, 0), plain.size)
    assert encoded(found) == encoded(without_names(plain))
    again = stored_again(found)
    assert isinstance(again, EnrolmentPartial)
    assert (again.folded, again.enrolled_images) == (plain.folded, plain.enrolled_images)
    assert again.images == {}


LOSSES = st.integers(-(2**90), 2**90)


@given(st.lists(st.tuples(LOSSES, LOSSES), min_size=1, max_size=9))
def test_losses_of_any_size_and_sign_are_summed_without_rounding(losses: list[tuple[int, int]]) -> None:
    form = PartialVector(RoundKind.TRAINING, 2, 3, 40)
    vectors = []
    for before, after in losses:
        changes = ExactSum.of(torch.zeros(3, dtype=torch.int64), {}, 40)
        partial = TrainingPartial(changes, images=1, folded=1, loss_before=before, loss_after=after, sums=ClassSums.empty(2))
        vectors.append(form.flatten(partial))
    total = form.partial(reduce(np.add, vectors), 1)
    assert isinstance(total, TrainingPartial)
    assert total.loss_before == sum(before for before, _ in losses)
    assert total.loss_after == sum(after for _, after in losses)
    assert total.folded == len(losses)


def test_of_usual_losses_the_vector_has_one_number_that_is_not_zero() -> None:
    """So sums of them show the sum, and no two parts of it."""
    form = PartialVector(RoundKind.TRAINING, 1, 0, 40)
    changes = ExactSum.of(torch.zeros(0, dtype=torch.int64), {}, 40)
    loss = 8191 << 40
    vector = form.flatten(TrainingPartial(changes, 1, 1, loss_before=loss, loss_after=0, sums=ClassSums.empty(1)))
    assert vector.tolist() == [1, 1, loss, 0, 0, 0, 0, 0]


@given(st.integers(0, 2**31))
@settings(max_examples=10)
def test_any_numbers_are_read_as_a_partial_which_is_checked_later(seed: int) -> None:
    form = PartialVector(RoundKind.TRAINING, 4, 7, 40)
    vector = np.random.default_rng(seed).integers(0, 2**64, form.length, dtype=np.uint64)
    partial = form.partial(vector.copy(), 10)
    assert isinstance(partial, TrainingPartial)
    assert partial.changes.length == 7
    second_DD = partial.sums.second_DD if partial.sums else torch.empty(0)
    assert torch.equal(second_DD, second_DD.T)


def test_a_counter_that_is_not_what_the_steps_make_of_it_is_refused_by_the_client_itself() -> None:
    start, updates = trainings(1, 1)
    [(client, update)] = updates.items()
    training = start.plan.local_training.model_copy(update={"steps": 5})
    longer = replace(start, plan=start.plan.model_copy(update={"local_training": training}))
    with pytest.raises(UpdateRefusedError, match=r"num_batches_tracked is 3 after training; it must be 5"):
        vector_of(client, update, longer, 1)


def test_a_client_refuses_what_an_aggregator_would() -> None:
    start, updates = trainings(1, 1, size=1e6)
    [(client, update)] = updates.items()
    with pytest.raises(UpdateRefusedError, match="from the global model") as refusal:
        vector_of(client, update, start, 1)
    assert refusal.value.reason == "norm_exceeded"
