"""Aligning a face by five points: the similarity transform that brings them nearest to a published template's.

Points are (x, y) in pixels, the middle of the first pixel at (0, 0), in the order left eye, right eye, tip of the nose, left
and right corner of the mouth, left and right as one sees them.
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
    """Where the five points belong in an image of this size."""

    height: int
    width: int
    points: tuple[Point, ...]


# 112×96: Liu et al., *SphereFace*, CVPR 2017, preprocessing code. 112×112: Deng et al., *ArcFace*, CVPR 2019, the same face
# with 8 columns more on either side.
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
    """``z ↦ turn·z + shift`` with points as complex numbers x + iy: |turn| is the scale, its argument the angle."""

    turn: complex
    shift: complex

    @classmethod
    def between(cls, points: Sequence[Point], targets: Sequence[Point]) -> Similarity:
        """The one that brings ``points`` nearest to ``targets``, by the sum of squared distances, without mirroring.

        In the plane this is Umeyama's estimate (*Least-squares estimation of transformation parameters between two point
        patterns*, PAMI 1991) in closed form. `InvalidInputError` where all points are one.
        """
        ours, theirs = [complex(*point) for point in points], [complex(*point) for point in targets]
        middle, their_middle = sum(ours) / len(ours), sum(theirs) / len(theirs)
        spread = sum(abs(one - middle) ** 2 for one in ours)
        if not spread > 0:
            raise InvalidInputError("the five points of a face are all the same point")
        pairs = zip(ours, theirs, strict=True)
        turn = sum((one - middle).conjugate() * (other - their_middle) for one, other in pairs) / spread
        return cls(turn, their_middle - turn * middle)

    def __call__(self, point: Point) -> Point:
        """Where a point goes."""
        moved = self.turn * complex(*point) + self.shift
        return moved.real, moved.imag


def align(photograph: Image.Image, points: Sequence[Point], template: Template) -> Image.Image:
    """The face at the template's place and size; black where the photograph ends. `InvalidInputError` for useless points."""
    if not _within(points, *photograph.size):
        raise InvalidInputError(_NO_FACE)
    forth = Similarity.between(points, template.points)
    # A frame that shows far more than the photograph, or less than one of its pixels, is not around a face.
    if not 1 / max(photograph.size) < abs(forth.turn) < max(template.height, template.width):
        raise InvalidInputError(_NO_FACE)
    back = Similarity(1 / forth.turn, -forth.shift / forth.turn)
    # Bicubic interpolation looks at few pixels: a large face is first reduced, by averages of squares of pixels.
    reduced = max(1, math.floor(abs(back.turn)))
    source = photograph.reduce(reduced) if reduced > 1 else photograph
    # Pillow counts from a pixel's outer corner, half a pixel from its middle.
    half = complex(0.5, 0.5)
    turn, shift = back.turn / reduced, (back.shift + half - back.turn * half) / reduced
    matrix = (turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag)
    return source.transform((template.width, template.height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def _within(points: Sequence[Point], width: int, height: int) -> bool:
    """Whether the middle of a face is in the photograph, and no point further off than the photograph is large."""
    near = all(-width <= x <= 2 * width and -height <= y <= 2 * height for x, y in points)
    x, y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return near and 0 <= x < width and 0 <= y < height
