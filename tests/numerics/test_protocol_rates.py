"""TAR at FAR, accuracy over folds, and the bootstrap over people: against scikit-learn, by hand, and by brute force."""

from __future__ import annotations

from itertools import combinations
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import KFold

from fedface_learning.evaluation.all_pairs import all_pairs, tar_intervals, too_many_pairs
from fedface_learning.evaluation.bootstrap import draw_people, interval, resample_accepted, resample_share
from fedface_learning.evaluation.fold_accuracy import best_threshold, correct_answers, fold_accuracy
from fedface_learning.evaluation.insightface import grid_threshold
from fedface_learning.evaluation.listed_pairs import same_sized_folds
from fedface_learning.evaluation.trials import NOBODY, Trials
from fedface_learning.evaluation.verification import verify_pairs

# Few different scores, so that most tie; −∞ is a failure to enrol.
SCORES = st.sampled_from([-np.inf, -0.5, 0.0, 0.25, 0.5, 0.75])
PAIRS = st.lists(st.tuples(SCORES, st.booleans()), min_size=2, max_size=40)


def best_share(positives: list[float], negatives: list[float], allowed: float) -> float:
    """The best share over all thresholds that are a score, and one above all scores."""
    thresholds = [*(score for score in {*positives, *negatives} if score > -np.inf), np.inf]
    return max(
        sum(score >= threshold for score in positives) / len(positives)
        for threshold in thresholds
        if sum(score >= threshold for score in negatives) <= allowed
    )


@pytest.mark.parametrize("seed", range(5))
def test_tar_at_far_is_that_of_scikit_learns_roc(seed: int) -> None:
    rng = np.random.default_rng(seed)
    genuine_P = rng.random(5000) < 0.3
    scores_P = rng.normal(size=5000) + 1.5 * genuine_P
    trials = Trials.of_pairs(scores_P, genuine_P, None)
    far, tar, _ = roc_curve(genuine_P, scores_P, drop_intermediate=False)
    for rate in (0.3, 1e-1, 1e-2, 1e-3):
        assert trials.accepted_at(rate) == pytest.approx(tar[far <= rate].max(), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_auc_and_eer_are_those_of_scikit_learns_roc(pairs: list[tuple[float, bool]]) -> None:
    """With ties, and with failures to enrol, which are all equal and below every score."""
    scores_P = np.array([score for score, _ in pairs])
    genuine_P = np.array([genuine for _, genuine in pairs])
    assume(0 < genuine_P.sum() < len(genuine_P))
    trials = Trials.of_pairs(scores_P, genuine_P, None)
    finite_P = np.maximum(scores_P, -9)
    assert trials.auc() == pytest.approx(roc_auc_score(genuine_P, finite_P))
    far, tar, _ = roc_curve(genuine_P, finite_P, drop_intermediate=False)
    # The segment on which FAR − (1 − TAR) changes its sign, and the point of it at which that is zero.
    after = int(np.argmax(far + tar >= 1))
    share = (1 - far[after - 1] - tar[after - 1]) / (far[after] + tar[after] - far[after - 1] - tar[after - 1])
    assert trials.eer() == pytest.approx(far[after - 1] + share * (far[after] - far[after - 1]))


@settings(max_examples=300, deadline=None)
@given(PAIRS, st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_tar_at_far_is_that_of_the_best_threshold(pairs: list[tuple[float, bool]], rate: float) -> None:
    positives = [score for score, genuine in pairs if genuine]
    negatives = [score for score, genuine in pairs if not genuine]
    scores_P = np.array([score for score, _ in pairs])
    genuine_P = np.array([genuine for _, genuine in pairs])
    found = Trials.of_pairs(scores_P, genuine_P, None).accepted_at(rate)
    if not positives or rate * len(negatives) < 1:
        assert found is None
    else:
        assert found == pytest.approx(best_share(positives, negatives, floor(rate * len(negatives))))


def test_tar_at_far_by_hand() -> None:
    # Impostors 0.9 0.6 0.6 0.5 0.4 0.3 0.2 0.1 0.0 −0.1: at FAR 0.1 one may be accepted, so the threshold lies above 0.6,
    # which accepts 0.95, 0.7 of the five genuine scores. At 0.3 three may be: above 0.5, which accepts 0.55 too.
    impostors = [0.9, 0.6, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, -0.1]
    genuine = [0.95, 0.7, 0.6, 0.55, -np.inf]
    trials = Trials.of_pairs(np.array(impostors + genuine), np.array([False] * 10 + [True] * 5), None)
    assert trials.accepted_at(0.1) == 2 / 5
    assert trials.accepted_at(0.2) == 2 / 5  # two impostors score 0.6; with them three would be accepted
    assert trials.accepted_at(0.3) == 4 / 5
    assert trials.accepted_at(0.9) == 4 / 5  # a face that failed to enrol is never accepted
    assert trials.accepted_at(0.09) is None


def test_the_accuracy_of_folds_by_hand() -> None:
    # Fold 0 has genuine 0.9, 0.3 and impostors 0.5, 0.1; fold 1 genuine 0.8, 0.6 and impostors 0.4, 0.2.
    # Fold 1 is parted by 0.4 < t < 0.6; 0.5 midway says "different" of fold 0's 0.5 too: 3 of 4 right (0.3 is missed).
    # Fold 0: t = 0.7 (only 0.9 accepted) and t = 0.2 (all but 0.1) give 3 of 4; the strictest is 0.7: 0.8 accepted, 0.6
    # missed, both impostors refused: 3 of 4.
    scores_P = np.array([0.9, 0.3, 0.5, 0.1, 0.8, 0.6, 0.4, 0.2])
    genuine_P = np.array([True, True, False, False] * 2)
    fold_P = np.repeat([0, 1], 4)
    assert best_threshold(scores_P[:4], genuine_P[:4]) == pytest.approx(0.7)
    assert best_threshold(scores_P[4:], genuine_P[4:]) == pytest.approx(0.5)
    accuracy = fold_accuracy(scores_P, genuine_P, fold_P)
    assert accuracy.accuracy_F.tolist() == [0.75, 0.75]
    assert accuracy.correct_P.tolist() == [True, False, True, True, True, False, True, True]
    assert (accuracy.mean, accuracy.standard_error) == (0.75, 0.0)


def test_the_standard_error_is_that_of_the_mean_of_folds() -> None:
    # Fold accuracies 1, 1, 0.5 (thresholds apart by construction): s = √(((1/6)² + (1/6)² + (1/3)²) / 2) = 0.288675.
    scores_P = np.array([0.9, 0.1, 0.9, 0.1, 0.9, 0.95])
    genuine_P = np.array([True, False] * 3)
    accuracy = fold_accuracy(scores_P, genuine_P, np.repeat([0, 1, 2], 2))
    assert accuracy.accuracy_F.tolist() == [1, 1, 0.5]
    assert accuracy.standard_error == pytest.approx(0.288675 / np.sqrt(3), abs=1e-6)


@settings(max_examples=300, deadline=None)
@given(PAIRS)
def test_the_threshold_is_the_strictest_of_the_best(pairs: list[tuple[float, bool]]) -> None:
    scores_P = np.array([score for score, _ in pairs])
    genuine_P = np.array([genuine for _, genuine in pairs])
    threshold = best_threshold(scores_P, genuine_P)
    tried = {each: correct_answers(scores_P, genuine_P, each).sum() for each in [*scores_P, -np.inf, np.inf]}
    ours = correct_answers(scores_P, genuine_P, threshold).sum()
    assert ours == max(tried.values())
    strictest = max(each for each, right in tried.items() if right == ours)
    np.testing.assert_array_equal(scores_P > threshold, scores_P > strictest)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(SCORES, st.booleans()), min_size=10, max_size=40), st.integers(2, 10))
def test_the_accuracy_of_folds_is_that_of_each_fold_left_out(pairs: list[tuple[float, bool]], folds: int) -> None:
    scores_P = np.array([score for score, _ in pairs])
    genuine_P = np.array([genuine for _, genuine in pairs])
    expected = []
    for train, test in KFold(folds).split(scores_P):
        threshold = best_threshold(scores_P[train], genuine_P[train])
        expected.append(np.mean((scores_P[test] > threshold) == genuine_P[test]))
    accuracy = fold_accuracy(scores_P, genuine_P, same_sized_folds(len(pairs), folds))
    assert accuracy.accuracy_F == pytest.approx(np.array(expected))


@pytest.mark.parametrize("seed", range(3))
def test_the_accuracy_of_packed_sets_is_insightfaces(seed: int) -> None:
    """Its definition, written out: unit vectors, squared distances, 400 thresholds, the first of the best."""
    rng = np.random.default_rng(seed)
    genuine_P = np.tile([True] * 7 + [False] * 7, 11)
    left_PD = rng.normal(size=(154, 6))
    right_PD = np.where(genuine_P[:, None], left_PD, 0) + rng.normal(size=(154, 6))
    left_PD, right_PD = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (left_PD, right_PD))
    distance_P = np.sum((left_PD - right_PD) ** 2, axis=1)
    thresholds = np.arange(0, 4, 0.01)
    expected = []
    for train, test in KFold(10).split(distance_P):
        best = np.argmax([np.mean((distance_P[train] < threshold) == genuine_P[train]) for threshold in thresholds])
        expected.append(np.mean((distance_P[test] < thresholds[best]) == genuine_P[test]))
    scores_P = np.sum(left_PD * right_PD, axis=1)
    accuracy = fold_accuracy(scores_P, genuine_P, same_sized_folds(154, 10), grid_threshold)
    assert accuracy.accuracy_F == pytest.approx(np.array(expected))
    assert 0.6 < accuracy.mean < 0.95


@st.composite
def photographed(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    """The person in each image, and the score of each pair of images."""
    people = draw(st.lists(st.integers(0, 3), min_size=3, max_size=8))
    pairs = len(people) * (len(people) - 1) // 2
    return people, draw(st.lists(SCORES, min_size=pairs, max_size=pairs))


@settings(max_examples=200, deadline=None)
@given(photographed(), st.lists(st.integers(0, 3), min_size=4, max_size=4), st.sampled_from([0.1, 0.3, 0.5]))
def test_a_resample_weighs_pairs_as_if_its_people_stood_there(
    faces: tuple[list[int], list[float]], drawn: list[int], rate: float
) -> None:
    people, scores = faces
    pairs = list(combinations(people, 2))
    people_P2 = np.array(pairs)
    trials = Trials.of_pairs(np.array(scores), people_P2[:, 0] == people_P2[:, 1], people_P2)
    times = np.array([*np.bincount(drawn, minlength=4), 1.0])
    # Each copy as a person of its own: genuine pairs are within one copy, impostor pairs between copies of two people.
    positives = []
    negatives = []
    for (one, other), score in zip(pairs, scores, strict=True):
        if one == other:
            positives += [score for person in drawn if person == one]
        else:
            negatives += [score for first in drawn for second in drawn if (first, second) == (one, other)]
    found = resample_accepted(trials, [rate], times[None])[0, 0]
    if not positives or not negatives:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(best_share(positives, negatives, rate * len(negatives)))


@settings(max_examples=100, deadline=None)
@given(photographed(), st.sampled_from([0.1, 0.3, 0.5]))
def test_everybody_drawn_once_is_the_point_estimate(faces: tuple[list[int], list[float]], rate: float) -> None:
    people_P2 = np.array(list(combinations(faces[0], 2)))
    trials = Trials.of_pairs(np.array(faces[1]), people_P2[:, 0] == people_P2[:, 1], people_P2)
    point = trials.accepted_at(rate)
    assume(point is not None)
    assert resample_accepted(trials, [rate], np.ones((1, 5)))[0, 0] == pytest.approx(point)


def test_a_share_weighs_genuine_pairs_once_and_impostor_pairs_twice() -> None:
    # Person 0 is drawn twice, 1 once, 2 never: the genuine pair of 0 weighs 2, of 2 nothing, the pair 0–1 weighs 2·1.
    people_n2 = np.array([[0, NOBODY], [2, NOBODY], [0, 1], [1, 2]])
    times = np.array([[2.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    shares = resample_share(np.array([True, False, False, True]), people_n2, times)
    assert shares[0] == 2 / 4
    assert np.isnan(shares[1])


def test_people_are_drawn_with_replacement_and_always_the_same() -> None:
    times = draw_people(50, 400)
    assert times.shape == (400, 51)
    assert (times[:, :-1].sum(axis=1) == 50).all()
    assert (times[:, -1] == 1).all()
    assert times[:, :-1].var() == pytest.approx(1 - 1 / 50, abs=0.05)
    np.testing.assert_array_equal(times, draw_people(50, 400))


def test_the_interval_is_the_middle_95_percent() -> None:
    assert interval(np.append(np.arange(1001.0), np.nan)) == pytest.approx((25.0, 975.0))
    assert interval(np.array([np.nan])) is None


def random_faces(identities: int, images: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(seed)
    faces = torch.randn(identities, 1, 8, generator=draws) + torch.randn(identities, images, 8, generator=draws)
    return torch.nn.functional.normalize(faces.flatten(0, 1), dim=1), torch.arange(identities).repeat_interleave(images)


def test_all_pairs_are_those_that_the_services_score() -> None:
    embeddings_ND, labels_N = random_faces(12, 5, seed=0)
    far = (0.3, 1e-1, 1e-2)
    trials = all_pairs(embeddings_ND, labels_N)
    scores = verify_pairs(embeddings_ND, labels_N, far).scores
    assert [trials.accepted_at(rate) for rate in far] == pytest.approx(list(scores.tar.values()))
    for rate, within in zip(far, tar_intervals(embeddings_ND, labels_N, far, 300), strict=True):
        point = trials.accepted_at(rate)
        assert within is not None
        assert point is not None
        assert within[0] < point < within[1]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Sixty draws of 20 people from a population whose TAR at FAR 0.1 is known from 300 of them."""
    truth = verify_pairs(*random_faces(300, 6, seed=99), [0.1]).scores.tar["1e-1"]
    assert truth is not None
    covered = 0
    for seed in range(60):
        (within,) = tar_intervals(*random_faces(20, 6, seed), [0.1], 200)
        assert within is not None
        covered += within[0] <= truth <= within[1]
    assert 51 <= covered <= 60  # 95 % in the long run of large samples; the percentile interval is short with few people


def test_a_bootstrap_over_very_many_pairs_is_not_tried() -> None:
    assert not too_many_pairs(6324)
    assert too_many_pairs(6326)
