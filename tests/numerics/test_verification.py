"""Verification against scikit-learn, and against counting every pair."""

from __future__ import annotations

from itertools import combinations
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation import verification
from fedface_learning.evaluation.verification import ROC_POINTS, verify_pairs

FAR = (0.3, 1e-1, 1e-2, 1e-3)


def random_faces(identities: int, images: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    centres = torch.randn(identities, 1, 8, generator=draws)
    embeddings_ND = (centres + noise * torch.randn(identities, images, 8, generator=draws)).flatten(0, 1)
    return normalize(embeddings_ND, dim=1), torch.arange(identities).repeat_interleave(images)


def all_pairs(embeddings_ND: Tensor, labels_N: Tensor) -> tuple[list[float], list[bool]]:
    cosines_NN = embeddings_ND @ embeddings_ND.T
    pairs = list(combinations(range(len(labels_N)), 2))
    return [float(cosines_NN[i, j]) for i, j in pairs], [bool(labels_N[i] == labels_N[j]) for i, j in pairs]


@pytest.mark.parametrize("noise", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("block", [512, 7])
def test_it_agrees_with_scikit_learn(noise: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings_ND, labels_N = random_faces(12, 5, noise, seed=0)
    scores, genuine = all_pairs(embeddings_ND, labels_N)
    monkeypatch.setattr(verification, "BLOCK", block)
    ours = verify_pairs(embeddings_ND, labels_N, FAR)
    far, tar, _ = roc_curve(genuine, scores, drop_intermediate=False)
    assert ours.scores.auc == pytest.approx(roc_auc_score(genuine, scores), abs=1e-4)
    assert ours.scores.eer == pytest.approx(np.interp(1.0, far + tar, far), abs=1e-3)
    for rate in FAR[:3]:
        label = f"{rate:.0e}".replace("e-0", "e-")
        assert ours.scores.tar[label] == pytest.approx(tar[far <= rate + 1e-12].max(), abs=0.01)
    assert ours.scores.genuine_pairs == sum(genuine) == 12 * 10
    assert ours.scores.impostor_pairs == 60 * 59 // 2 - 120
    assert ours.scores.mean_genuine_cosine == pytest.approx(np.mean(scores, where=genuine), abs=1e-6)
    assert ours.scores.mean_impostor_cosine == pytest.approx(np.mean(scores, where=np.logical_not(genuine)), abs=1e-6)


# Few directions with exact cosines (±1, 0, ±0.5…): nearly every score ties with others.
DIRECTIONS = torch.tensor([[1.0, 0, 0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5]])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=3, max_size=14), st.sampled_from([0.1, 0.25, 0.5]))
def test_it_agrees_with_counting_every_pair(images: list[tuple[int, int]], far: float) -> None:
    embeddings_ND = DIRECTIONS[[direction for direction, _ in images]]
    labels_N = torch.tensor([label for _, label in images])
    scores, genuine = all_pairs(embeddings_ND, labels_N)
    true = [score for score, same in zip(scores, genuine, strict=True) if same]
    false = [score for score, same in zip(scores, genuine, strict=True) if not same]
    if not true or not false:
        with pytest.raises(InvalidInputError, match="verification needs two identities"):
            verify_pairs(embeddings_ND, labels_N, [far])
        return
    allowed = floor(far * len(false))
    thresholds = [*sorted(set(scores)), float("inf")]
    best = max(
        sum(score >= threshold for score in true) / len(true)
        for threshold in thresholds
        if sum(score >= threshold for score in false) <= allowed
    )
    wins = sum((t > f) + 0.5 * (t == f) for t in true for f in false)
    ours = verify_pairs(embeddings_ND, labels_N, [far]).scores
    assert next(iter(ours.tar.values())) == (pytest.approx(best) if allowed else None)
    assert ours.auc == pytest.approx(wins / (len(true) * len(false)))
    curve_far, curve_tar, _ = roc_curve(genuine, scores, drop_intermediate=False)
    assert ours.eer == pytest.approx(np.interp(1.0, curve_far + curve_tar, curve_far))


def test_a_far_that_the_impostor_pairs_cannot_resolve_has_no_tar() -> None:
    embeddings_ND, labels_N = random_faces(5, 5, 1.0, seed=0)  # 250 impostor pairs
    tar = verify_pairs(embeddings_ND, labels_N, [1e-2, 4e-3, 1e-3]).scores.tar
    assert list(tar) == ["1e-2", "4e-3", "1e-3"]
    assert tar["4e-3"] is not None
    assert tar["1e-3"] is None


def test_faces_that_are_all_told_apart_score_perfectly() -> None:
    scores = verify_pairs(torch.eye(4).repeat_interleave(3, dim=0), torch.arange(4).repeat_interleave(3), [0.1]).scores
    assert (scores.auc, scores.eer, scores.tar) == (1.0, 0.0, {"1e-1": 1.0})


def test_the_roc_curve_is_thinned_but_keeps_its_ends_and_its_points() -> None:
    embeddings_ND, labels_N = random_faces(40, 10, 3.0, seed=1)
    scores, genuine = all_pairs(embeddings_ND, labels_N)
    roc = verify_pairs(embeddings_ND, labels_N, [0.1]).roc
    assert 100 < len(roc.far) <= ROC_POINTS
    assert (roc.far[0], roc.tar[0], roc.far[-1], roc.tar[-1]) == (0, 0, 1, 1)
    assert roc.far == sorted(roc.far)
    assert roc.tar == sorted(roc.tar)
    far, tar, _ = roc_curve(genuine, scores, drop_intermediate=False)
    np.testing.assert_allclose(roc.tar, np.interp(roc.far, far, tar), atol=2e-3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=3, max_size=14))
def test_histograms_and_thresholds_are_those_of_every_pair(images: list[tuple[int, int]]) -> None:
    embeddings_ND = DIRECTIONS[[direction for direction, _ in images]]
    labels_N = torch.tensor([label for _, label in images])
    scores, genuine = all_pairs(embeddings_ND, labels_N)
    true = np.array([score for score, same in zip(scores, genuine, strict=True) if same])
    false = np.array([score for score, same in zip(scores, genuine, strict=True) if not same])
    assume(true.size and false.size)
    ours = verify_pairs(embeddings_ND, labels_N, [0.5, 0.25, 0.1, 1e-9])
    for counts, kind in ((ours.cosines.genuine, true), (ours.cosines.impostor, false)):
        assert counts == np.histogram(kind, bins=200, range=(-1.0, 1.0))[0].tolist()
    for label, threshold in ours.thresholds.items():
        if threshold is None:
            assert not ours.scores.tar[label]
            continue
        allowed = floor(float(label) * len(false))
        assert np.mean(true >= threshold) == ours.scores.tar[label]
        assert np.sum(false >= threshold) <= allowed
        lower = true[true < threshold]
        assert not lower.size or np.sum(false >= lower.max()) > allowed
    assert ours.thresholds["1e-9"] is None
