"""Cosines of pairs of faces or templates. P pairs, B pairs in a block, D dimensions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fedface_learning.device import indices_on
from fedface_learning.evaluation.faces import EmbeddedFaces

PAIRS_PER_BLOCK = 1 << 11
"""How many pairs have their embeddings in memory twice more. On a CPU larger blocks leave its caches and take longer."""


def pair_scores(
    faces: EmbeddedFaces, first_P: npt.NDArray[np.intp], second_P: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """The cosine of each pair (P,), computed in float64 where the embeddings are.

    ``first_P`` and ``second_P`` are indices into ``faces``. If one of the two has failed to enrol, the score is −∞, which no
    threshold accepts.
    """
    device = faces.embeddings_ND.device
    scores_P = np.empty(len(first_P))
    for start in range(0, len(first_P), PAIRS_PER_BLOCK):
        pairs = slice(start, start + PAIRS_PER_BLOCK)
        left_BD = faces.embeddings_ND.index_select(0, indices_on(device, first_P[pairs])).double()
        right_BD = faces.embeddings_ND.index_select(0, indices_on(device, second_P[pairs])).double()
        scores_P[pairs] = left_BD.mul_(right_BD).sum(dim=1).cpu().numpy()
    scores_P[~(faces.enrolled_N[first_P] & faces.enrolled_N[second_P])] = -np.inf
    return scores_P
