"""Each pair is counted once, in the bin that holds its cosine."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import torch
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.results import COSINE_BINS
from fedface_learning.evaluation.cosine_counts import CosineCounter, count_cosines, summed

NONE = torch.empty(0)


def bin_of(cosine: float) -> int:
    counter = CosineCounter()
    counter.count(torch.tensor([cosine]), NONE)
    return counter.counts.genuine.index(1)


@given(st.floats(-1, 1, width=32, allow_subnormal=False))  # deterministic torch has none
def test_a_cosine_is_in_the_bin_that_holds_it(cosine: float) -> None:
    exactly = floor(Fraction(cosine) * COSINE_BINS / 2) + COSINE_BINS // 2
    assert bin_of(cosine) == min(exactly, COSINE_BINS - 1)


def test_the_ends_belong_to_the_first_and_the_last_bin() -> None:
    assert [bin_of(cosine) for cosine in (-1.0000001, -1.0, -1e-30, 0.0, 1.0, 1.0000001)] == [0, 0, 99, 100, 199, 199]


def test_cosines_are_counted_as_by_hand() -> None:
    angles = torch.tensor([0.0, 10.0, 95.0, 180.0]).deg2rad()
    embeddings_ND = torch.stack([angles.cos(), angles.sin()], dim=1)
    counts = count_cosines(embeddings_ND, torch.tensor([0, 0, 1, 1]))
    genuine = {place: count for place, count in enumerate(counts.genuine) if count}
    impostor = {place: count for place, count in enumerate(counts.impostor) if count}
    assert genuine == {198: 1, 108: 1}  # cos 10° = 0.985, cos 85° = 0.087
    assert impostor == {91: 1, 0: 1, 108: 1, 1: 1}  # cos 95° = −0.087, 180°, 85°, 170° = −0.985


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 9))
def test_every_pair_is_counted_once(images: int, people: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    embeddings_ND = torch.nn.functional.normalize(torch.randn(images, 3, generator=draws))
    labels_N = torch.randint(people, (images,), generator=draws)
    counts = count_cosines(embeddings_ND, labels_N)
    genuine = sum(int(count) * (int(count) - 1) // 2 for count in labels_N.bincount())
    assert sum(counts.genuine) == genuine
    assert sum(counts.genuine) + sum(counts.impostor) == images * (images - 1) // 2


def test_counts_of_several_models_are_added_bin_by_bin() -> None:
    one = count_cosines(torch.eye(3), torch.tensor([0, 0, 1]))
    both = summed([one, one])
    assert both.genuine == [2 * count for count in one.genuine]
    assert both.impostor == [2 * count for count in one.impostor]
