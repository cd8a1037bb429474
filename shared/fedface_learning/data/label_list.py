"""A list that says whose each photograph is, a line ``path label`` each, such as CelebA's ``identity_CelebA.txt``.

Path and label are separated by a tab, a comma or white space. The label is the last field, so a path may have spaces. Paths
are below the folder of the photographs. Empty lines and lines that begin with ``#`` are skipped, and so is a first line
whose path has no image's suffix, which is a heading.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.free_text import check_text
from fedface_core.files.bounded_lines import LineBounds, read_bounded_lines
from fedface_learning.data.dataset import composed
from fedface_learning.data.image_files import is_image_name
from fedface_learning.data.photograph_roots import ANYWHERE, PhotographRoots

MOST_LABELS: Final = 50_000_000
"""How many lines a list may have; as many as a tree may have files."""
_MOST_BYTES: Final = 4 << 30
_MOST_COMMENTS: Final = 10_000  # lines that are empty, a comment or a heading
_LONGEST_LABEL: Final = 255  # characters, as of a folder's name


@dataclass(frozen=True)
class JoinedLabels:
    """Photographs and their labels, and how many of both were left over."""

    labels: Mapping[str, str]
    """The label of each photograph, by its path in the tree."""
    absent: int
    """How many paths are listed and are not there."""
    unlisted: int
    """How many photographs are there and are not listed."""


def read_labels(file: Path, *, most: int = MOST_LABELS, roots: PhotographRoots = ANYWHERE) -> dict[str, str]:
    """The label of each listed path. The paths have ``/``, no leading ``./``, and composed Unicode (NFC).

    `DataError`, which names the file and the line, if it cannot be read, is no such list, or gives one photograph
    two labels.
    """
    labels: dict[str, str] = {}
    for index, (number, line) in enumerate(_lines(file, roots, most)):
        fields = _fields(line)
        place = f"{file}, line {number}"
        if index == 0 and not is_image_name(fields[0] if fields else line):
            continue  # a heading
        if fields is None:
            raise _wrong(f"{place}: a path and a label were expected, such as 000001.jpg 2880, not {line[:80]!r}")
        path = _below_the_folder(fields[0], place)
        label = fields[1]
        if len(label) > _LONGEST_LABEL:
            raise _wrong(f"{place}: a label of {len(label)} characters; {_LONGEST_LABEL} are allowed")
        try:
            check_text(label, f"{place}: the label")
        except InvalidInputError as error:
            raise _wrong(str(error)) from None
        if labels.setdefault(path, label) != label:
            raise _wrong(f"{place}: {path} is {label!r} here, and {labels[path]!r} in a line before")
        if len(labels) > most:
            raise _wrong(f"{file} has more than {most:,} lines, which is too many")
    if not labels:
        raise _wrong(f"{file} holds no labels: a line for each photograph was expected, such as 000001.jpg 2880")
    return labels


def join_labels(labels: Mapping[str, str], photographs: Iterable[str], file: Path) -> JoinedLabels:
    """Find each photograph's label. `DataError` if there is none for any of them; it names one of each."""
    joined: dict[str, str] = {}
    unlisted = 0
    example = None
    for photograph in photographs:
        label = labels.get(composed(photograph))
        if label is None:
            unlisted += 1
            example = example or photograph
        else:
            joined[photograph] = label
    if not joined:
        listed = next(iter(labels))
        there = f"the folder has {example}" if example else "the folder has no photograph"
        raise _wrong(
            f"no photograph is in the list of labels {file}: it names {listed}, and {there}; "
            "its paths must be those below the folder"
        )
    return JoinedLabels(joined, absent=len(labels) - len(joined), unlisted=unlisted)


def _lines(file: Path, roots: PhotographRoots, most: int) -> Iterator[tuple[int, str]]:
    """The number and the text of each line that is neither empty nor a comment."""
    try:
        with roots.open(file) as lines:
            for number, line in read_bounded_lines(lines, str(file), LineBounds(_MOST_BYTES, most + _MOST_COMMENTS)):
                text = line.strip()
                if text and not text.startswith("#"):
                    yield number, text
    except FileNotFoundError as error:
        raise DataError(f"cannot read the labels in {file}: {error.strerror}", DataReason.LABELS_NOT_THERE) from None
    except OSError as error:
        raise _wrong(f"cannot read the labels in {file}: {error.strerror}") from None
    except DataError:
        raise
    except InvalidInputError as error:
        raise _wrong(f"{error}; a list of paths and labels was expected") from None


def _fields(line: str) -> tuple[str, str] | None:
    """Path and label of a line; None if it has only one field."""
    if "\t" in line:
        path, _, label = line.rpartition("\t")
    elif '"' in line:
        path, label = _quoted_fields(line)
    else:
        path, _, label = line.rpartition(",")
        if not is_image_name(path.rstrip()):  # the comma is in the path, or there is none
            path, label = line.rsplit(maxsplit=1) if len(line.split()) > 1 else ("", "")
    fields = (path.strip(), label.strip())
    return fields if all(fields) else None


def _quoted_fields(line: str) -> tuple[str, str]:
    """The first and the last field of a line of CSV."""
    try:
        row = next(csv.reader([line], skipinitialspace=True, strict=True))
    except csv.Error:
        return "", ""
    return (row[0], row[-1]) if len(row) > 1 else ("", "")


def _below_the_folder(path: str, place: str) -> str:
    """A path as trees have it. `DataError` if it leads out of the folder."""
    parts = [part for part in path.replace("\\", "/").split("/") if part != "."]
    if ".." in parts or not all(parts):
        raise _wrong(f"{place}: {path!r} is no path below the folder of the photographs")
    return composed("/".join(parts))


def _wrong(message: str) -> DataError:
    return DataError(message, DataReason.LABELS_UNUSABLE)
