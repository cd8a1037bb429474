"""Templates: one embedding of several images of one person.

N images, M rows (an image in a template), B rows in a block, T templates, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from fedface_learning.device import indices_on, moved
from fedface_learning.evaluation.faces import EmbeddedFaces

_Indices = npt.NDArray[np.intp]
ROWS_PER_BLOCK = 1 << 11
"""How many rows have their embeddings in memory once more, in float64."""
_LEAST_NORM = 1e-12  # if images cancel out, their sum has no direction, and its cosine with everybody is 0


@dataclass(frozen=True)
class TemplateRows:
    """Which images belong to which templates.

    A medium is a still, or all frames of one video. If two templates have media with one number, these are two media.
    """

    face_M: _Indices
    """The index of each row's image."""
    medium_M: _Indices
    """The number of each row's medium."""
    template_M: _Indices
    """The index of each row's template."""
    index: Mapping[int, int]
    """Template number in the protocol's files → index of the template."""


def pool_templates(faces: EmbeddedFaces, rows: TemplateRows) -> EmbeddedFaces:
    """The unit embedding of each template (T, D): the normalised mean over media of the mean over each medium's frames.

    So a long video has the weight of a still. If faces have weights, each embedding is multiplied by its own. Missing images
    are left out; a template without images has failed to enrol. Sums are computed in float64 where the embeddings are, in
    the order of the rows.
    """
    enrolled_M = faces.enrolled_N[rows.face_M]
    face_M = rows.face_M[enrolled_M]
    medium_M = rows.medium_M[enrolled_M]
    template_M = rows.template_M[enrolled_M]
    # The weight of a frame is one over the number of its medium's frames. Division by the number of media would change
    # only the length.
    media, medium_M = np.unique(medium_M, return_inverse=True)
    _, own_medium_M, frames = np.unique(template_M * len(media) + medium_M, return_inverse=True, return_counts=True)
    weight_M = 1.0 / frames[own_medium_M]
    if faces.weight_N is not None:
        weight_M = weight_M * faces.weight_N[face_M]
    embeddings_ND = faces.embeddings_ND
    device = embeddings_ND.device
    summed_TD = torch.zeros(len(rows.index), embeddings_ND.shape[1], dtype=torch.float64, device=device)
    for start in range(0, len(face_M), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        weighed_BD = embeddings_ND.index_select(0, indices_on(device, face_M[block])).double()
        weighed_BD *= moved(torch.tensor(weight_M[block]), device).unsqueeze(1)
        summed_TD.index_add_(0, indices_on(device, template_M[block]), weighed_BD)
    summed_TD /= torch.linalg.vector_norm(summed_TD, dim=1, keepdim=True).clamp_min(_LEAST_NORM)
    return EmbeddedFaces(summed_TD.float(), np.bincount(template_M, minlength=len(rows.index)) > 0)
