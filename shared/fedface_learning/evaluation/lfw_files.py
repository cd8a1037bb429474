"""The pair lists of Labeled Faces in the Wild: `pairs.txt` (View 2) and `pairsDevTrain.txt`, `pairsDevTest.txt` (View 1).

A header says how many pairs follow. ``10⇥300`` means ten folds, each of 300 matched pairs and then 300 mismatched pairs. In
View 1 there is one such block; its header is ``1100``. A matched pair is ``name⇥n1⇥n2``, a mismatched pair is
``name1⇥n1⇥name2⇥n2``. If a line has no tab, fields are between spaces.
Source: G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, *Labeled Faces in the Wild*, 2007.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.text_files import fields_of, read_lines, whole_number, wrong_line

_LIST = "a header line and the pairs of LFW"
_MATCHED = "a matched pair (name, number, number)"
_MISMATCHED = "a mismatched pair (name, number, other name, number)"


@dataclass(frozen=True)
class NamedImage:
    """The ``number``-th image of ``person``."""

    person: str
    number: int

    @property
    def name(self) -> str:
        """The image's path below the folder of all people, without suffix: ``person/person_0001``."""
        return f"{self.person}/{self.person}_{self.number:04}"


NamedPair = tuple[NamedImage, NamedImage]


def read_folds(path: Path) -> list[list[NamedPair]]:
    """Read the folds of a View 2 list. `InvalidInputError` names the first line that is malformed."""
    lines = read_lines(path, _LIST)
    header = fields_of(lines[0])
    if len(header) != 2:
        raise wrong_line(path, 1, "the number of folds and the pairs of each kind in a fold, such as '10\\t300'", lines[0])
    folds = whole_number(header[0], path, 1, "the number of folds")
    if folds < 2:
        raise wrong_line(path, 1, "at least two folds", header[0])
    return _blocks(path, lines, folds, whole_number(header[1], path, 1, "the pairs of each kind in a fold"))


def read_view_1(path: Path) -> list[NamedPair]:
    """Read the pairs of a View 1 list. `InvalidInputError` names the first line that is malformed."""
    lines = read_lines(path, _LIST)
    header = fields_of(lines[0])
    if len(header) != 1:
        raise wrong_line(path, 1, "the number of pairs of each kind, such as '1100'", lines[0])
    return _blocks(path, lines, 1, whole_number(header[0], path, 1, "the number of pairs of each kind"))[0]


def _blocks(path: Path, lines: list[str], blocks: int, pairs: int) -> list[list[NamedPair]]:
    if not pairs:
        raise wrong_line(path, 1, "at least one pair of each kind", lines[0])
    promised = 2 * blocks * pairs
    if len(lines) - 1 < promised:
        raise InvalidInputError(
            f"{path} ends after {len(lines) - 1:,} pairs, but its header promises {promised:,}: "
            f"{blocks} × ({pairs} matched + {pairs} mismatched)"
        )
    if len(lines) - 1 > promised:
        raise wrong_line(path, promised + 2, f"the end of the file after {promised:,} pairs", lines[promised + 1])
    read = [
        (matched_pair if (number - 2) // pairs % 2 == 0 else mismatched_pair)(path, number, line, fields_of(line))
        for number, line in enumerate(lines[1:], start=2)
    ]
    return [read[start : start + 2 * pairs] for start in range(0, promised, 2 * pairs)]


def matched_pair(path: Path, number: int, line: str, fields: Sequence[str]) -> NamedPair:
    """The pair in the fields of a ``line``: name, number, number. `InvalidInputError` if it is malformed."""
    if len(fields) != 3:
        raise wrong_line(path, number, _MATCHED, line)
    return _image(path, number, fields[0], fields[1]), _image(path, number, fields[0], fields[2])


def mismatched_pair(path: Path, number: int, line: str, fields: Sequence[str]) -> NamedPair:
    """The pair in the fields of a ``line``: name, number, other name, number. `InvalidInputError` if it is malformed."""
    if len(fields) != 4:
        raise wrong_line(path, number, _MISMATCHED, line)
    if fields[0] == fields[2]:
        raise wrong_line(path, number, "two people, for this is a mismatched pair", line)
    return _image(path, number, fields[0], fields[1]), _image(path, number, fields[2], fields[3])


def _image(path: Path, number: int, person: str, image: str) -> NamedImage:
    if "/" in person or person in (".", ".."):
        raise wrong_line(path, number, "a person's name, which is the name of a folder", person)
    return NamedImage(person, whole_number(image, path, number, "the number of an image"))
