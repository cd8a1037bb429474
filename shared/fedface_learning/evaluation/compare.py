"""Cosines of pairs of faces or templates. P pairs, B pairs in a block, D dimensions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.faces import EmbeddedFaces

PAIRS_PER_BLOCK = 1 << 14
"""How many pairs have their embeddings in memory twice."""


def pair_scores(
    faces: EmbeddedFaces, first_P: npt.NDArray[np.intp], second_P: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """The cosine of each pair (P,), float64. ``first_P`` and ``second_P`` are indices into ``faces``.

    If one of the two has failed to enrol, the score is −∞, which no threshold accepts.
    """
    scores_P = np.empty(len(first_P))
    for start in range(0, len(first_P), PAIRS_PER_BLOCK):
        pairs = slice(start, start + PAIRS_PER_BLOCK)
        left_BD = faces.embeddings_ND[first_P[pairs]]
        right_BD = faces.embeddings_ND[second_P[pairs]]
        scores_P[pairs] = np.einsum("bd,bd->b", left_BD, right_BD, dtype=np.float64)
    scores_P[~(faces.enrolled_N[first_P] & faces.enrolled_N[second_P])] = -np.inf
    return scores_P
