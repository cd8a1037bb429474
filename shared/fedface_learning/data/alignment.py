"""Alignment of a face by five points: a similarity transform brings them as near as possible to a published template.

Points are (x, y) in pixels; (0, 0) is the middle of the first pixel. Their order is left eye, right eye, tip of
the nose, left and right corner of the mouth. Left is where the viewer sees it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from fedface_core.domain.errors import InvalidInputError

_NO_FACE: Final = "the five points do not lie as those of a face in this photograph"

Point = tuple[float, float]
POINTS: Final = 5


@dataclass(frozen=True)
class Template:
    """The size in pixels of an aligned image, and where in it the five points belong."""

    height: int
    width: int
    points: tuple[Point, ...]


# 112×96: the preprocessing code of Liu et al., *SphereFace*, CVPR 2017. 112×112: Deng et al., *ArcFace*, CVPR 2019, which
# adds 8 columns on either side.
TEMPLATES: Final = {
    "112x96": Template(
        112,
        96,
        ((30.2946, 51.6963), (65.5318, 51.5014), (48.0252, 71.7366), (33.5493, 92.3655), (62.7299, 92.2041)),
    ),
    "112x112": Template(
        112,
        112,
        ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)),
    ),
}


@dataclass(frozen=True)
class Similarity:
    """A similarity transform of the plane, ``z ↦ factor·z + shift``, with points (x, y) as complex numbers x + iy.

    The modulus of ``factor`` is the scale, its argument the angle.
    """

    factor: complex
    shift: complex

    @classmethod
    def between(cls, points: Sequence[Point], targets: Sequence[Point]) -> Similarity:
        """The similarity without mirroring that makes the sum of squared distances from ``points`` to ``targets`` least.

        In the plane this is Umeyama's estimate (*Least-squares estimation of transformation parameters between two point
        patterns*, PAMI 1991) in closed form. `InvalidInputError` if all points are equal.
        """
        sources_z = [complex(*point) for point in points]
        targets_z = [complex(*target) for target in targets]
        source_mean = sum(sources_z) / len(sources_z)
        target_mean = sum(targets_z) / len(targets_z)
        sum_of_squares = sum(abs(source - source_mean) ** 2 for source in sources_z)
        if not sum_of_squares > 0:
            raise InvalidInputError("the five points of a face are all the same point")
        pairs = zip(sources_z, targets_z, strict=True)
        covariance = sum((source - source_mean).conjugate() * (target - target_mean) for source, target in pairs)
        factor = covariance / sum_of_squares
        return cls(factor, target_mean - factor * source_mean)

    def __call__(self, point: Point) -> Point:
        """The point to which ``point`` is moved."""
        moved = self.factor * complex(*point) + self.shift
        return moved.real, moved.imag


def align(photograph: Image.Image, points: Sequence[Point], template: Template) -> Image.Image:
    """The face in ``photograph``, aligned: of the template's size, with ``points`` near the template's.

    Pixels outside the photograph are black. `InvalidInputError` if the points cannot be those of a face in it.
    """
    if not _within(points, *photograph.size):
        raise InvalidInputError(_NO_FACE)
    to_template = Similarity.between(points, template.points)
    # A frame that shows far more than the photograph, or less than one of its pixels, is not around a face.
    if not 1 / max(photograph.size) < abs(to_template.factor) < max(template.height, template.width):
        raise InvalidInputError(_NO_FACE)
    to_photograph = Similarity(1 / to_template.factor, -to_template.shift / to_template.factor)
    # Bicubic interpolation reads few pixels, so a large face is first reduced: each square of pixels becomes its mean.
    reduction = max(1, math.floor(abs(to_photograph.factor)))
    source = photograph.reduce(reduction) if reduction > 1 else photograph
    # Pillow's origin is a pixel's outer corner, half a pixel from its middle.
    half = complex(0.5, 0.5)
    factor = to_photograph.factor / reduction
    shift = (to_photograph.shift + half - to_photograph.factor * half) / reduction
    matrix = (factor.real, -factor.imag, shift.real, factor.imag, factor.real, shift.imag)
    return source.transform((template.width, template.height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def _within(points: Sequence[Point], width: int, height: int) -> bool:
    """Whether the points' mean is in the photograph, and no point is further outside than the photograph is large."""
    all_near = all(-width <= x <= 2 * width and -height <= y <= 2 * height for x, y in points)
    mean_x, mean_y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return all_near and 0 <= mean_x < width and 0 <= mean_y < height
