"""Cosines of listed pairs."""

from __future__ import annotations

import numpy as np
import pytest

from fedface_learning.evaluation import compare
from fedface_learning.evaluation.compare import pair_scores
from fedface_learning.evaluation.faces import EmbeddedFaces


@pytest.mark.parametrize("block", [1, 2, 1 << 14])
def test_blocks_do_not_show_and_a_missing_face_matches_nobody(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "PAIRS_PER_BLOCK", block)
    embeddings_ND = np.array([[1, 0], [0.6, 0.8], [0, 1], [0, 0]], dtype=np.float32)
    faces = EmbeddedFaces(embeddings_ND, np.array([True, True, True, False]))
    scores_P = pair_scores(faces, np.array([0, 0, 1, 3, 3]), np.array([0, 1, 2, 0, 3]))
    assert scores_P == pytest.approx([1, 0.6, 0.8, -np.inf, -np.inf])
