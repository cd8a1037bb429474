"""Class embeddings from mean embeddings, by hand."""

from __future__ import annotations

import pytest
import torch

from fedface_learning.client.enrolment import enrol, random_class_embeddings

MEANS_CD = torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 6.0]])
IMAGES_C = torch.tensor([2, 0, 1])


def test_without_centring_a_mean_is_only_normalised() -> None:
    enrolment = enrol(MEANS_CD, IMAGES_C, centring=False)
    assert enrolment.class_embeddings_CD.tolist() == [[1, 0], [0, 0], [0, 1]]
    assert enrolment.centre_D.tolist() == [0, 0]


def test_with_centring_the_mean_over_images_is_subtracted_and_who_is_not_enrolled_stays_zero() -> None:
    # The centre is (2·(3, 0) + 1·(0, 6)) / 3 = (2, 2). So the rows point to (1, −2) and (−2, 4).
    enrolment = enrol(MEANS_CD, IMAGES_C, centring=True)
    assert enrolment.centre_D.tolist() == [2, 2]
    expected_CD = torch.tensor([[1.0, -2.0], [0.0, 0.0], [-1.0, 2.0]]) / 5**0.5
    torch.testing.assert_close(enrolment.class_embeddings_CD, expected_CD)


def test_somebody_must_be_enrolled() -> None:
    with pytest.raises(AssertionError, match="at least one enrolled client"):
        enrol(MEANS_CD, torch.zeros(3, dtype=torch.int64), centring=False)


def test_drawn_rows_are_of_unit_length_and_depend_on_the_seed_alone() -> None:
    rows_CD = random_class_embeddings(5, 8, seed=1)
    torch.testing.assert_close(rows_CD.norm(dim=1), torch.ones(5))
    assert torch.equal(rows_CD, random_class_embeddings(5, 8, seed=1))
    assert not torch.equal(rows_CD, random_class_embeddings(5, 8, seed=2))
