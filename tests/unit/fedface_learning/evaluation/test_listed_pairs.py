"""Pairs in folds, and their people."""

from __future__ import annotations

import numpy as np
import torch

from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.listed_pairs import ListedPairs, index_names, same_sized_folds
from fedface_learning.evaluation.trials import NOBODY

PAIRS = ListedPairs(
    first_P=np.array([0, 0, 2]),
    second_P=np.array([1, 2, 3]),
    genuine_P=np.array([True, False, False]),
    fold_P=np.array([0, 0, 1]),
    people_P2=np.array([[4, 4], [4, 7], [7, 9]]),
)


def test_the_people_of_a_fold_are_numbered_from_0() -> None:
    people_n2 = PAIRS.fold(1).people_P2
    assert people_n2 is not None
    assert people_n2.tolist() == [[0, 1]]
    times = PAIRS.fold(1).multiplicities(10)
    assert times is not None
    assert times.shape == (10, 3)


def test_a_genuine_pair_has_one_person() -> None:
    assert PAIRS.people_of_trials().tolist() == [[4, NOBODY], [4, 7], [7, 9]]
    assert PAIRS.people_P2 is not None
    assert PAIRS.people_P2.tolist() == [[4, 4], [4, 7], [7, 9]], "the pairs' own people are not changed"


def test_pairs_with_a_missing_image_are_counted() -> None:
    faces = EmbeddedFaces(torch.eye(4, 2), np.array([True, True, False, True]))
    assert PAIRS.counts(faces, PAIRS.scores(faces)) == {
        "images": 4,
        "missing images": 1,
        "genuine pairs": 1,
        "impostor pairs": 2,
        "pairs with a missing image": 2,
    }


def test_without_people_or_resamples_nobody_is_drawn() -> None:
    assert PAIRS.multiplicities(0) is None
    nameless = ListedPairs(PAIRS.first_P, PAIRS.second_P, PAIRS.genuine_P, PAIRS.fold_P, None)
    assert nameless.multiplicities(10) is None
    assert nameless.fold(0).people_P2 is None


def test_names_and_folds_are_numbered_in_their_order() -> None:
    assert index_names(["b", "a", "b", "c"]) == {"b": 0, "a": 1, "c": 2}
    assert same_sized_folds(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
