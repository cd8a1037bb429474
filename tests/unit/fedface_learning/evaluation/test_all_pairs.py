"""All pairs of a few images."""

from __future__ import annotations

import pytest
import torch

from fedface_learning.evaluation.all_pairs import all_pairs, tar_intervals
from fedface_learning.evaluation.trials import NOBODY

EMBEDDINGS_ND = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])


def test_each_pair_is_scored_once_with_its_people() -> None:
    trials = all_pairs(EMBEDDINGS_ND, torch.tensor([0, 0, 1]))
    assert trials.positives.scores == pytest.approx([0.6])
    assert trials.negatives.scores == pytest.approx([0.8, 0.0])
    assert trials.positives.people is not None
    assert trials.positives.people.tolist() == [[0, NOBODY]]
    assert trials.negatives.people is not None
    assert trials.negatives.people.tolist() == [[0, 1], [0, 1]]


def test_equal_arguments_give_equal_intervals_within_0_and_1() -> None:
    labels_N = torch.tensor([0, 0, 1])
    [interval] = tar_intervals(EMBEDDINGS_ND, labels_N, [0.5], 50)
    assert tar_intervals(EMBEDDINGS_ND, labels_N, [0.5], 50) == [interval]
    assert interval is not None
    assert 0 <= interval[0] <= interval[1] <= 1
