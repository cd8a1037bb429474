"""Alignment by five points: against Umeyama's own formulae, and pixel for pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.alignment import TEMPLATES, Point, Similarity, align

coordinates = st.floats(-500, 500, allow_subnormal=False)  # Torch may flush subnormal numbers in this process.
faces = st.lists(st.tuples(coordinates, coordinates), min_size=5, max_size=5)


def umeyama(points_N2: np.ndarray, targets_N2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale times rotation, and translation, by the singular values of the covariance: the paper's equations 34 to 43."""
    mean_2 = points_N2.mean(axis=0)
    target_mean_2 = targets_N2.mean(axis=0)
    covariance = (targets_N2 - target_mean_2).T @ (points_N2 - mean_2) / len(points_N2)
    left, values, right = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    scale = (values * signs).sum() / ((points_N2 - mean_2) ** 2).sum(axis=1).mean()
    matrix = scale * left @ np.diag(signs) @ right
    return matrix, target_mean_2 - matrix @ mean_2


@given(faces, st.sampled_from(sorted(TEMPLATES)))
def test_the_transform_is_umeyamas(points: list[Point], template: str) -> None:
    targets = TEMPLATES[template].points
    points_N2 = np.array(points)
    targets_N2 = np.array(targets)
    assume(points_N2.std(axis=0).min() > 1)
    similarity = Similarity.between(points, targets)
    assume(abs(similarity.factor) > 1e-3)  # If it is nearly 0, its angle is noise.
    matrix, shift = umeyama(points_N2, targets_N2)
    np.testing.assert_allclose([similarity(point) for point in points], points_N2 @ matrix.T + shift, atol=1e-6)


@given(st.floats(0.1, 10), st.floats(-math.pi, math.pi, allow_subnormal=False), coordinates, coordinates)
def test_a_face_that_was_only_moved_comes_back_exactly(scale: float, angle: float, x: float, y: float) -> None:
    template = TEMPLATES["112x112"].points
    moved = Similarity(scale * complex(math.cos(angle), math.sin(angle)), complex(x, y))
    back = Similarity.between([moved(point) for point in template], template)
    for point in template:
        assert back(moved(point)) == pytest.approx(point, abs=1e-6)


@pytest.mark.parametrize(
    ("size", "angle", "template"),
    [(1.0, 0.0, "112x112"), (0.7, 0.3, "112x96"), (2.0, -0.5, "112x112"), (9.5, 0.2, "112x96")],
)
def test_the_points_land_where_the_template_has_them(size: float, angle: float, template: str) -> None:
    target = TEMPLATES[template]
    moved = Similarity(size * complex(math.cos(angle), math.sin(angle)), complex(60 * size, 60 * size))
    points = [moved(point) for point in target.points]
    places = np.arange(240 * size)

    def profile(place: float) -> np.ndarray:
        return np.exp(-((places - place) ** 2) / (2 * (1.5 * size) ** 2))

    spots = np.sum([np.outer(profile(y), profile(x)) for x, y in points], axis=0)
    aligned = np.array(align(Image.fromarray((255 * spots).astype(np.uint8)), points, target), np.float64)
    assert aligned.shape == (target.height, target.width)
    for x, y in target.points:
        left = round(x) - 5
        top = round(y) - 5
        spot = aligned[top : top + 11, left : left + 11]
        rows, columns = np.mgrid[top : top + 11, left : left + 11]
        assert (columns * spot).sum() / spot.sum() == pytest.approx(x, abs=0.15)
        assert (rows * spot).sum() / spot.sum() == pytest.approx(y, abs=0.15)


def test_points_at_their_places_leave_the_image_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (112, 96, 3), np.uint8)
    template = TEMPLATES["112x96"]
    np.testing.assert_array_equal(np.array(align(Image.fromarray(pixels), template.points, template)), pixels)


def test_a_large_face_is_averaged_not_sampled() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 2, (1120, 1120), np.uint8) * 255)
    template = TEMPLATES["112x112"]
    aligned = np.array(align(noise, [(10 * x + 4.5, 10 * y + 4.5) for x, y in template.points], template), np.float64)
    assert aligned.std() < 25  # 127 / 10, and a little by interpolation; sampled noise would have above 100.
    assert aligned.mean() == pytest.approx(127.5, abs=1)


@pytest.mark.parametrize(
    ("points", "complaint"),
    [
        ([(5.0, 5.0)] * 5, "are all the same point"),
        ([(1e6 * n, -1e6 * n * n) for n in range(5)], "do not lie as those of a face"),
        ([(50 + n / 1e6, 50.0) for n in range(5)], "do not lie as those of a face"),
    ],
)
def test_useless_points_are_refused(points: list[Point], complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        align(Image.new("L", (100, 100)), points, TEMPLATES["112x112"])
