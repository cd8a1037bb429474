"""Positives, negatives and their people."""

from __future__ import annotations

import numpy as np

from fedface_learning.evaluation.trials import NOBODY, ScoredTrials, Trials


def test_scores_are_sorted_with_their_people_and_equal_scores_keep_their_order() -> None:
    trials = ScoredTrials.of(np.array([0.1, 0.5, -np.inf, 0.5]), np.array([[0, 9], [1, 9], [2, 9], [3, 9]]))
    assert trials.scores.tolist() == [0.5, 0.5, 0.1, -np.inf]
    assert trials.people is not None
    assert trials.people[:, 0].tolist() == [1, 3, 0, 2]


def test_pairs_become_positives_of_one_person_and_negatives_of_two() -> None:
    people_P2 = np.array([[3, 3], [3, 5]])
    trials = Trials.of_pairs(np.array([0.2, 0.4]), np.array([True, False]), people_P2)
    assert trials.positives.people is not None
    assert trials.negatives.people is not None
    assert trials.positives.people.tolist() == [[3, NOBODY]]
    assert trials.negatives.people.tolist() == [[3, 5]]
    assert trials.names_people
    assert people_P2.tolist() == [[3, 3], [3, 5]]
    assert not Trials.of_pairs(np.array([0.2, 0.4]), np.array([True, False]), None).names_people


def test_without_positives_or_with_too_few_negatives_there_is_no_rate() -> None:
    scores_P = np.array([0.9, 0.1, 0.0])
    assert Trials.of_pairs(scores_P, np.array([False] * 3), None).accepted_at(0.5) is None
    trials = Trials.of_pairs(scores_P, np.array([True, False, False]), None)
    assert trials.accepted_at(0.4) is None
    assert trials.accepted_at(0.5) == 1.0


def test_auc_and_eer_by_hand() -> None:
    # Genuine 0.9, 0.4, −∞; impostor 0.6, 0.4, −∞. Of nine comparisons genuine wins 3 (0.9) + 1 (0.4 over −∞), and ties two.
    trials = Trials.of_pairs(np.array([0.9, 0.4, -np.inf, 0.6, 0.4, -np.inf]), np.array([True] * 3 + [False] * 3), None)
    assert np.isclose(trials.auc(), 5 / 9)
    # Points (FAR, TAR): (0, ⅓) at 0.9, (⅓, ⅓) at 0.6, (⅔, ⅔) at 0.4. FAR + TAR is 1 midway between the last two.
    assert np.isclose(trials.eer(), 0.5)


def test_cosines_are_counted_without_those_that_failed_to_enrol() -> None:
    trials = Trials.of_pairs(np.array([0.955, 0.405, -np.inf, 0.605]), np.array([True, False, True, False]), None)
    counts = trials.cosines()
    assert (counts.genuine[195], sum(counts.genuine)) == (1, 1)
    assert (counts.impostor[140], counts.impostor[160], sum(counts.impostor)) == (1, 1, 2)
