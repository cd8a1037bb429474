"""The five points of each face from a text file, joined to the photographs by their paths.

The lists that people have name a photograph in other ways than its path: VGGFace2's `loose_landmark` lists have no suffixes
and a heading, CelebA's list has a count before the heading and blanks between the fields, others have backslashes or a
leading ``./``.
"""

from __future__ import annotations

import csv
import math
import posixpath
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_lines import LineBounds, read_bounded_lines
from fedface_lab.data.face_points import Face
from fedface_learning.data.alignment import POINTS
from fedface_learning.data.dataset import composed

_BOUNDS: Final = LineBounds(most_bytes=8 << 30, most_lines=50_010_000)
"""A tree may have 50 million photographs; there may be headings."""
_MOST_NAMED: Final = 10  # lines that a report names
_SHOWN: Final = 100  # characters of a line in a message
_NUMBERS: Final = 2 * POINTS


class LandmarkCounts(BaseModel):
    """How the lines of a list and the photographs were joined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: int
    lines_without_photograph: int
    photographs_without_line: int
    first_lines_without_photograph: list[str]
    """The names in the first few of these lines."""


class ListedFaces:
    """The faces of photographs, by a list.

    A line has a photograph's path below the source, and x and y of five points in pixels, separated by commas, semicolons,
    tabs or blanks. The suffix may be missing, its case does not matter, backslashes are slashes, a leading ``./`` is
    nothing, and letters with accents may be composed or not. A heading, and a number of lines before it, are passed over.
    """

    def __init__(self, file: Path) -> None:
        """`join` reads the file."""
        self._file = file
        self._places: dict[str, int] = {}
        self._points = array("d")

    def face(self, path: str) -> Face | None:
        """The face of the photograph at this path below the source; None if no line names it."""
        place = self._places.get(path)
        if place is None:
            return None
        numbers = self._points[_NUMBERS * place : _NUMBERS * (place + 1)]
        return Face(tuple(zip(numbers[::2], numbers[1::2], strict=True)))

    def join(self, photographs: Sequence[str]) -> LandmarkCounts:
        """Read the points of these photographs, which are paths below the source.

        `InvalidInputError`, which names the file and the line, if the file cannot be read, a line is wrong, a line may mean
        several photographs, or several lines mean the same one; and if no line names a photograph.
        """
        by_name = _names(photographs)
        lines_of = dict.fromkeys(photographs, 0)
        lines = 0
        strangers = 0
        first_strangers: list[str] = []
        for number, name, points in _lines(self._file):
            lines += 1
            path = name if name in lines_of else _photograph(by_name, name, f"{self._file}, line {number}")
            if path is None:
                strangers += 1
                first_strangers += [name] if len(first_strangers) < _MOST_NAMED else []
                continue
            if lines_of[path]:
                raise InvalidInputError(f"{self._file}, line {number}: {path} is listed twice, as in line {lines_of[path]}")
            lines_of[path] = number
            self._places[path] = len(self._places)
            self._points.extend(points)
        if not lines:
            raise InvalidInputError(f"{self._file} holds no points")
        if not self._places:
            raise InvalidInputError(
                f"none of the {lines:,} lines of {self._file} names one of the {len(photographs):,} photographs: "
                f"the first line has {first_strangers[0]!r}, and the first photograph is {photographs[0]!r}; "
                "give paths below the source"
            )
        return LandmarkCounts(
            lines=lines,
            lines_without_photograph=strangers,
            photographs_without_line=len(photographs) - len(self._places),
            first_lines_without_photograph=first_strangers,
        )


def _names(photographs: Sequence[str]) -> dict[str, str | None]:
    """The photograph that each name means, with and without suffix; a name that may mean several has None."""
    by_name: dict[str, str | None] = {}
    for path in photographs:
        name = _normal(path)
        by_name[name] = None if name in by_name else path
    whole = by_name.copy()
    for path in photographs:
        name = _normal(posixpath.splitext(path)[0])
        if name not in whole:
            by_name[name] = None if name in by_name else path
    return by_name


def _photograph(by_name: Mapping[str, str | None], name: str, place: str) -> str | None:
    """The photograph that a line means; None if there is none. `InvalidInputError` if it may be one of several."""
    normal = _normal(name)
    if normal not in by_name:
        return None
    path = by_name[normal]
    if path is None:
        raise InvalidInputError(f"{place}: {name!r} may be one of several photographs; write its whole name")
    return path


def _normal(name: str) -> str:
    """A path in one spelling: slashes, no ``./``, composed letters, and the suffix in small letters."""
    stem, suffix = posixpath.splitext(posixpath.normpath(composed(name.strip().replace("\\", "/"))))
    return stem + suffix.lower()


def _lines(file: Path) -> Iterator[tuple[int, str, list[float]]]:
    """Each line's number in the file, name and numbers. `InvalidInputError`, which names the line, if one is wrong."""
    heading: list[str] | None = None
    begun = False
    for number, text in _texts(file):
        fields = _fields(text, f"{file}, line {number}")
        if fields == heading or (number == 1 and text.isdecimal()):
            continue
        if heading is None and not begun and len(fields) > 1 and not _is_number(fields[1]):
            heading = fields
            continue
        begun = True
        name, *points = fields
        if len(points) != _NUMBERS or not all(_is_number(point) for point in points):
            raise InvalidInputError(
                f"{file}, line {number}: a path and {_NUMBERS} numbers were expected (x and y of left eye, right eye, tip "
                f"of the nose, left and right corner of the mouth), not {text[:_SHOWN]!r}"
            )
        yield number, name, [float(point) for point in points]


def _texts(file: Path) -> Iterator[tuple[int, str]]:
    """Each line that is not empty, and its number."""
    try:
        with file.open("rb") as data:
            for number, line in read_bounded_lines(data, str(file), _BOUNDS):
                text = line.strip()
                if text:
                    yield number, text
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror}") from None


def _fields(line: str, place: str) -> list[str]:
    separator = next((one for one in (",", ";", "\t") if one in line), None)
    if separator is None:
        return line.split()
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator))]
    except csv.Error as error:
        raise InvalidInputError(f"{place} is no line of a CSV file: {error}") from None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
