"""Cosines of listed pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from fedface_learning.evaluation import compare
from fedface_learning.evaluation.compare import pair_scores
from fedface_learning.evaluation.faces import EmbeddedFaces


def test_a_missing_face_matches_nobody() -> None:
    embeddings_ND = torch.tensor([[1, 0], [0.6, 0.8], [0, 1], [0, 0]])
    faces = EmbeddedFaces(embeddings_ND, np.array([True, True, True, False]))
    scores_P = pair_scores(faces, np.array([0, 0, 1, 3, 3]), np.array([0, 1, 2, 0, 3]))
    assert scores_P == pytest.approx([1, 0.6, 0.8, -np.inf, -np.inf])


@pytest.mark.parametrize("block", [1, 7, 64, compare.PAIRS_PER_BLOCK])
def test_scores_are_exact_sums_of_products_in_every_block(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "PAIRS_PER_BLOCK", block)
    embeddings_ND = normalize(torch.randn(20, 512, generator=torch.Generator().manual_seed(0)))
    pairs_2n = np.random.default_rng(0).integers(0, 20, (2, 50))
    first_P, second_P = np.concatenate([pairs_2n, pairs_2n[::-1]], axis=1)
    scores_P = pair_scores(EmbeddedFaces(embeddings_ND, np.ones(20, np.bool_)), first_P, second_P)
    wide_ND = embeddings_ND.numpy().astype(np.float64)
    assert scores_P.dtype == np.float64
    np.testing.assert_allclose(scores_P, (wide_ND[first_P] * wide_ND[second_P]).sum(axis=1), rtol=0, atol=1e-15)
    assert np.array_equal(scores_P[:50], scores_P[50:]), "a pair has one score, wherever it is listed"
