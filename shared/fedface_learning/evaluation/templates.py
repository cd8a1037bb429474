"""Templates: one embedding of several images of one person.

N images, M rows (an image in a template), T templates, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.faces import EmbeddedFaces

_Indices = npt.NDArray[np.intp]
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
    are left out; a template without images has failed to enrol. Sums are computed in float64, in the order of the rows.
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
    pooled_TD = np.zeros((len(rows.index), faces.embeddings_ND.shape[1]), dtype=np.float32)
    by_template = np.argsort(template_M, kind="stable")
    bounds = np.searchsorted(template_M[by_template], np.arange(len(rows.index) + 1))
    for template, (start, stop) in enumerate(pairwise(bounds)):
        members = by_template[start:stop]
        summed_D = weight_M[members] @ faces.embeddings_ND[face_M[members]].astype(np.float64)
        pooled_TD[template] = summed_D / max(np.linalg.norm(summed_D), _LEAST_NORM)
    return EmbeddedFaces(pooled_TD, np.diff(bounds) > 0)
