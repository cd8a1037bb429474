"""Templates: one embedding of several images of one person. N images, M rows (an image in a template), T templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.faces import EmbeddedFaces

_Indices = npt.NDArray[np.intp]
_LEAST_NORM = 1e-12  # images that cancel out have no direction, and a cosine of 0 with everybody


@dataclass(frozen=True)
class TemplateRows:
    """Which image (M,) of which medium (M,) belongs to which template (M,).

    A medium is a still, or all frames of one video; media with one number in two templates are two. ``place`` finds a
    template by its number in the protocol's files.
    """

    face_M: _Indices
    medium_M: _Indices
    template_M: _Indices
    place: Mapping[int, int]


def pool_templates(faces: EmbeddedFaces, rows: TemplateRows) -> EmbeddedFaces:
    """One unit embedding a template (T, D): the mean over media of the mean over each medium's frames, normalised.

    So a long video weighs no more than a still. Images that are missing are left out; a template without any has failed to
    enrol. Sums are in float64, in the order of the rows.
    """
    enrolled_M = faces.enrolled_N[rows.face_M]
    face_M, medium_M, template_M = rows.face_M[enrolled_M], rows.medium_M[enrolled_M], rows.template_M[enrolled_M]
    # Each frame weighs one over its medium's frames. The number of media changes nothing but the length.
    media, medium_M = np.unique(medium_M, return_inverse=True)
    _, own_medium_M, frames = np.unique(template_M * len(media) + medium_M, return_inverse=True, return_counts=True)
    weight_M = 1.0 / frames[own_medium_M]
    pooled_TD = np.zeros((len(rows.place), faces.embeddings_ND.shape[1]), dtype=np.float32)
    by_template = np.argsort(template_M, kind="stable")
    bounds = np.searchsorted(template_M[by_template], np.arange(len(rows.place) + 1))
    for template, (start, stop) in enumerate(pairwise(bounds)):
        members = by_template[start:stop]
        summed_D = weight_M[members] @ faces.embeddings_ND[face_M[members]].astype(np.float64)
        pooled_TD[template] = summed_D / max(np.linalg.norm(summed_D), _LEAST_NORM)
    return EmbeddedFaces(pooled_TD, np.diff(bounds) > 0)
