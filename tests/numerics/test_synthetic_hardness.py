"""Synthetic faces cannot be verified by their pixels, and yet identity can be learnt from them.

Suffixes of array names: N images, D dimensions.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from fedface_core.domain.plan import DataPlan
from fedface_learning.data import ImageSize, open_dataset

PEOPLE = 40
IMAGES = 8

Features = NDArray[np.float64]


def true_accept_rate(features_ND: Features, false_accept_rate: float) -> float:
    """TAR by cosine over all pairs of images, of which each identity has IMAGES in a row, without the evaluator's code."""
    features_ND = features_ND / np.linalg.norm(features_ND, axis=1, keepdims=True)
    first, second = np.triu_indices(len(features_ND), 1)
    cosines = (features_ND @ features_ND.T)[first, second]
    genuine = first // IMAGES == second // IMAGES
    threshold = np.quantile(cosines[~genuine], 1 - false_accept_rate)
    return float((cosines[genuine] > threshold).mean())


@pytest.fixture(scope="module")
def pixels() -> Features:
    dataset = open_dataset(DataPlan(dataset="synthetic", images_per_identity=IMAGES), ImageSize(56, 48, 3), 2 * PEOPLE)
    return np.concatenate([dataset.images(identity).flatten(1).numpy() for identity in dataset.identities]).astype(
        np.float64
    )


def test_raw_pixels_hardly_verify(pixels: Features) -> None:
    assert true_accept_rate(pixels[: PEOPLE * IMAGES], 1e-3) < 0.05


def test_centred_pixels_hardly_verify_either(pixels: Features) -> None:
    some_ND = pixels[: PEOPLE * IMAGES]
    assert true_accept_rate(some_ND - pixels.mean(axis=0), 1e-3) < 0.05
    assert true_accept_rate(some_ND - some_ND.mean(axis=1, keepdims=True), 1e-3) < 0.05


def test_identity_can_be_learnt(pixels: Features) -> None:
    """Discriminant analysis, learnt on other people, verifies unseen ones better than their pixels do."""
    unseen_ND = pixels[: PEOPLE * IMAGES]
    seen_ND = pixels[PEOPLE * IMAGES :]
    identities = np.repeat(np.arange(PEOPLE), IMAGES)
    components = PCA(100, svd_solver="randomized", random_state=0).fit(seen_ND)
    analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(components.transform(seen_ND), identities)
    learnt = true_accept_rate(analysis.transform(components.transform(unseen_ND)), 1e-2)
    assert learnt > 1.5 * true_accept_rate(unseen_ND, 1e-2)
