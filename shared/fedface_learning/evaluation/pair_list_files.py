"""Lists of pairs in the layouts that people have, told apart by their first line.

- ``path path 1`` or ``0`` a line: genuine or impostor pair. Between tabs, commas or spaces; a header may come first.
- LFW's lists as CSV, as Kaggle distributes them: a header with ``name,imagenum1,imagenum2``, then rows ``name,1,4`` and
  ``name,1,other,2``. `matchpairsDevTest.csv` and `mismatchpairsDevTest.csv` lie beside each other and are one list.
- CALFW's and CPLFW's: two lines a pair, ``image label``, with one label on both: 0 for impostors, else genuine; labels
  above 1 are fold numbers. No page of the authors describes this layout; it is what programs that read these files agree on.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.lfw_files import NamedPair, matched_pair, mismatched_pair
from fedface_learning.evaluation.text_files import fields_of, read_lines, whole_number, wrong_line

_LAYOUTS = (
    "'path path 1' or 'path path 0', a header with 'name,imagenum1,imagenum2' as LFW's CSV files have, or 'image label' as "
    "CALFW's and CPLFW's lists have"
)
_PATHS = "two paths and 1 (same person) or 0"
_IMAGE_LABEL = "an image and its label, 0 for impostors"
_MATCHED = "matchpairs"
_MISMATCHED = "mismatchpairs"

_Line = tuple[int, str]
"""The number of a line in its file, and the line."""
_Split = Callable[[str], list[str]]
"""Gives the fields of a line."""


@dataclass(frozen=True)
class Pair:
    """A pair of images by their paths below the folder of images, perhaps without suffix."""

    first: str
    second: str
    genuine: bool
    fold: int | None = None
    """The fold's number from 1; None if the list does not give it."""


@dataclass(frozen=True)
class PairsOfList:
    """What was read from a list of pairs."""

    pairs: Sequence[Pair]
    layout: str
    """The layout that it was read as, for people."""


def read_pair_list(path: Path) -> PairsOfList:
    """Read a list of pairs. `InvalidInputError` names the line if the list has another layout or a line is malformed."""
    lines = [(number, line) for number, line in enumerate(read_lines(path, f"pairs: {_LAYOUTS}"), start=1) if line.strip()]
    number, first = lines[0]
    split = _fields_between_commas if "," in first and "\t" not in first else fields_of
    fields = split(first)
    names = [field.lower() for field in fields]
    if names[:2] in (["name", "imagenum1"], ["name1", "imagenum1"]):
        return _read_lfw_csv(path, lines[1:], split)
    if names[:2] == ["name", "images"]:
        raise wrong_line(path, number, "pairs; this is a list of people: take pairs.csv, or matchpairsDevTest.csv", first)
    if fields and all(field.isdecimal() for field in fields):
        raise wrong_line(path, number, f"{_LAYOUTS}; numbers alone are LFW's own lists (lfw) or IJB's (ijb-b, ijb-c)", first)
    if len(fields) == 3 and fields[1].isdecimal():
        raise wrong_line(path, number, f"{_LAYOUTS}; these look like LFW's pairs without their header", first)
    if len(fields) == 3:
        has_header = not any({*field} & {*"./"} for field in fields) and not any(map(str.isdigit, fields[2]))
        if has_header and len(lines) == 1:
            raise InvalidInputError(f"{path} has a header but no pairs")
        return PairsOfList([_pair_of_paths(path, *line, split) for line in lines[has_header:]], "path, path, label")
    if len(fields) == 2 and fields[1].isdecimal():
        return PairsOfList(_read_two_lines_each(path, lines, split), "two lines a pair, as CALFW's and CPLFW's")
    raise wrong_line(path, number, _LAYOUTS, first)


def _pair_of_paths(path: Path, number: int, line: str, split: _Split) -> Pair:
    fields = split(line)
    if len(fields) != 3 or fields[2] not in ("0", "1"):
        raise wrong_line(path, number, _PATHS, line)
    first, second = (_image(path, number, field) for field in fields[:2])
    return Pair(first, second, fields[2] == "1")


def _read_two_lines_each(path: Path, lines: Sequence[_Line], split: _Split) -> list[Pair]:
    images: list[tuple[str, int]] = []
    for number, line in lines:
        fields = split(line)
        if len(fields) != 2:
            raise wrong_line(path, number, _IMAGE_LABEL, line)
        label = whole_number(fields[1], path, number, "a label")
        if len(images) % 2 and label != images[-1][1]:
            expected = f"label {images[-1][1]} as in the line before, for two lines are a pair"
            raise wrong_line(path, number, f"{expected} (a list of identities is no list of pairs)", line)
        images.append((_image(path, number, fields[0]), label))
    if len(images) % 2:
        raise InvalidInputError(f"{path} has {len(images):,} images; two lines are a pair, so one line is missing")
    pairs = list(zip(images[::2], images[1::2], strict=True))
    labels = sorted({label for _, label in images} - {0})
    numbers_folds = labels != [1] and bool(labels)
    if numbers_folds and labels != list(range(1, len(labels) + 1)):
        raise InvalidInputError(
            f"{path}: the labels of genuine pairs should be 1, or fold numbers without a gap, not {labels[:20]}"
        )
    return [
        Pair(first, second, label > 0, label if numbers_folds and label else None) for (first, label), (second, _) in pairs
    ]


def _read_lfw_csv(path: Path, lines: Sequence[_Line], split: _Split) -> PairsOfList:
    if not lines:
        raise InvalidInputError(f"{path} has a header but no pairs")
    pairs = [_lfw_pair(path, *line, split) for line in lines]
    partner = _partner(path)
    layout = "LFW's CSV"
    if partner is not None and len({pair.genuine for pair in pairs}) < 2:
        if not partner.exists():
            kind = "genuine" if partner.name.startswith(_MISMATCHED) else "impostor"
            raise InvalidInputError(f"{path} has {kind} pairs only; the others should be beside it, in {partner.name}")
        layout += f", with {partner.name} beside it"
        others = [(number, line) for number, line in enumerate(read_lines(partner, "pairs"), start=1) if line.strip()]
        pairs += [_lfw_pair(partner, *line, split) for line in others[1:]]
    return PairsOfList(pairs, layout)


def _lfw_pair(path: Path, number: int, line: str, split: _Split) -> Pair:
    fields = split(line)
    while fields and not fields[-1]:  # Kaggle's pairs.csv has a fourth column, which matched pairs leave empty
        fields.pop()
    pair: NamedPair = (matched_pair if len(fields) == 3 else mismatched_pair)(path, number, line, fields)
    return Pair(pair[0].name, pair[1].name, len(fields) == 3)


def _partner(path: Path) -> Path | None:
    """The file beside it that has the pairs of the other kind; None if the name is not of such a pair of files."""
    if path.name.startswith(_MATCHED):
        return path.with_name(_MISMATCHED + path.name.removeprefix(_MATCHED))
    if path.name.startswith(_MISMATCHED):
        return path.with_name(_MATCHED + path.name.removeprefix(_MISMATCHED))
    return None


def _fields_between_commas(line: str) -> list[str]:
    try:
        return [field.strip() for row in csv.reader([line], skipinitialspace=True) for field in row]
    except csv.Error:  # a field that is longer than any path
        return []


def _image(path: Path, number: int, name: str) -> str:
    """A path as Windows or Linux writes it, with ``/``."""
    parts = name.replace("\\", "/").split("/")
    if not name or parts[0] == "" or parts[0].endswith(":") or ".." in parts:
        raise wrong_line(path, number, "the path of an image below the folder of images", name)
    return "/".join(parts)
