"""Where a face's five points are: found by dlib's detector and landmarks, or given in a file.

dlib is an optional dependency, and reads its landmark model from the package `face_recognition_models`. Sources: Dalal and
Triggs, *Histograms of oriented gradients for human detection*, CVPR 2005; Kazemi and Sullivan, *One millisecond face
alignment with an ensemble of regression trees*, CVPR 2014.
"""

from __future__ import annotations

import csv
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.alignment import POINTS, Point
from fedface_learning.models.published_files import published_file

_INSTALL: Final = "pip install dlib-bin"
_LANDMARKS: Final = "shape_predictor_68_face_landmarks.dat"
# Of the 68: the six around each eye (the left as one sees it first), the tip of the nose, the corners of the mouth.
_EYES, _NOSE, _MOUTH = (range(36, 42), range(42, 48)), 30, (48, 54)
_LONGEST_SIDE = 1000  # Larger photographs are searched at a fraction of their size.
_MOST_PIXELS = (
    4_000_000  # No photograph is enlarged beyond this to look for small faces: the search takes longer by as much.
)


@dataclass(frozen=True)
class Face:
    """The face taken: its five points, how many faces there were, and its box, where a detector found it."""

    points: tuple[Point, ...]
    faces: int = 1
    box: tuple[int, int, int, int] | None = None  # left, top, right, bottom


FindFace = Callable[[str, Image.Image], Face | None]
"""From a photograph's path below the source, and the photograph, upright, to its face, where there is one."""


def dlib_faces() -> FindFace:
    """Finds faces with dlib. `InvalidInputError` says how to install what is missing."""
    if importlib.util.find_spec("dlib") is None:
        raise InvalidInputError(
            f"no face detector is installed: install dlib's with: {_INSTALL}, or give the points with --landmarks FILE.csv"
        )
    import dlib

    model = published_file(_LANDMARKS, "dlib's landmarks")
    detect, predict = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(model))

    def find(_path: str, photograph: Image.Image) -> Face | None:
        reduced = math.ceil(max(photograph.size) / _LONGEST_SIDE)
        pixels_HWC = np.array(photograph.convert("RGB").reduce(reduced))
        boxes = _detect(detect, pixels_HWC)
        if not boxes:
            return None
        height, width, _ = pixels_HWC.shape
        box = max(boxes, key=lambda box: _prominence(box, width, height))
        shape = predict(pixels_HWC, box)
        points_68 = [(shape.part(index).x, shape.part(index).y) for index in range(68)]
        five = [
            *(_middle([points_68[index] for index in eye]) for eye in _EYES),
            *(points_68[at] for at in (_NOSE, *_MOUTH)),
        ]
        return Face(
            tuple((reduced * (x + 0.5) - 0.5, reduced * (y + 0.5) - 0.5) for x, y in five),
            len(boxes),
            (reduced * box.left(), reduced * box.top(), reduced * box.right(), reduced * box.bottom()),
        )

    return find


def _detect(detect: Any, pixels_HWC: np.ndarray[Any, Any]) -> list[Any]:
    """The boxes of all faces. Where there is none, faces too small for the detector are looked for in an enlarged image."""
    boxes, doublings = list(detect(pixels_HWC, 0)), 0
    while not boxes and doublings < 2 and pixels_HWC[..., 0].size * 4 ** (doublings + 1) <= _MOST_PIXELS:
        doublings += 1
        boxes = list(detect(pixels_HWC, doublings))
    return boxes


def _prominence(box: Any, width: int, height: int) -> float:
    """Large and central counts most: the box's width, less the further from the middle, nothing in a corner."""
    centre = box.center()
    off = math.hypot(centre.x - width / 2, centre.y - height / 2) / (math.hypot(width, height) / 2)
    return float(box.width() * (1 - off))


def _middle(points: list[Point]) -> Point:
    xs, ys = zip(*points, strict=True)
    return sum(xs) / len(xs), sum(ys) / len(ys)


def given_faces(file: Path) -> FindFace:
    """Takes the points from a CSV file: a photograph's path below the source, then x and y of each of the five points.

    `InvalidInputError` names the file and the line. A first line whose second field is no number is a heading.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = [(number, row) for number, row in enumerate(csv.reader(text), 1) if row]
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{file} is not a CSV file in UTF-8: {error}") from None
    if rows and len(rows[0][1]) > 1 and not _is_number(rows[0][1][1]):
        del rows[0]
    faces: dict[str, Face] = {}
    for number, (path, *fields) in rows:
        if len(fields) != 2 * POINTS or not all(_is_number(field) for field in fields):
            raise InvalidInputError(
                f"{file}, line {number}: a path and {2 * POINTS} numbers were expected (x and y of left eye, right eye, "
                f"tip of the nose, left and right corner of the mouth), not {','.join([path, *fields])!r}"
            )
        if path in faces:
            raise InvalidInputError(f"{file}, line {number}: {path} stands there twice")
        numbers = [float(field) for field in fields]
        faces[path] = Face(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
    if not faces:
        raise InvalidInputError(f"{file} holds no points")
    return lambda path, _photograph: faces.get(path)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
