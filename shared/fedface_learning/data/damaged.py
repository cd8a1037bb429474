"""The list of a data set's damaged images, which `fedface data check` writes and the data set leaves out.

It is a CSV file: a line for each image, with its name and why it cannot be used. The name is the path below the data set's
folder, or the number of the record. Data sets read the list and decode nothing when they are opened. So every process that
reads the same list sees the same images.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_core.files.bounded_file import MAX_TEXT_BYTES, read_open_file
from fedface_core.files.whole_file import write_whole
from fedface_learning.data.photograph_roots import ANYWHERE, PhotographRoots


@dataclass(frozen=True)
class DamagedImage:
    """An image that cannot be used."""

    name: str
    reason: str


def write_damaged(path: Path, images: Iterable[DamagedImage]) -> None:
    """Write the list. `OSError` if the file cannot be written."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((image.name, image.reason) for image in images)
    write_whole(path, text.getvalue().encode())


def damaged_names(data: DataPlan, roots: PhotographRoots = ANYWHERE) -> frozenset[str]:
    """The names in the list ``data.skip_damaged``; none without a list.

    `DataError` if the list cannot be read, is not below the ``roots``, or is too large or no CSV file. No message quotes it:
    a plan may name any file.
    """
    if data.skip_damaged is None:
        return frozenset()
    path = roots.located(data.skip_damaged, DataReason.DAMAGED_LIST_NOT_THERE)
    if not path.is_file():
        raise DataError(
            f"data.skip_damaged: there is no file {path}; a list from `fedface data check` was expected",
            DataReason.DAMAGED_LIST_NOT_THERE,
        )
    try:
        with roots.open(path) as file:
            stored = read_open_file(file, str(path), MAX_TEXT_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", DataReason.DAMAGED_LIST_UNUSABLE) from None
    except InvalidInputError as error:
        raise DataError(str(error), DataReason.DAMAGED_LIST_UNUSABLE) from None
    try:
        text = stored.decode("utf-8-sig")
        return frozenset(row[0] for row in csv.reader(io.StringIO(text, newline="")) if row and row[0])
    except (UnicodeDecodeError, csv.Error):
        raise DataError(
            f"data.skip_damaged: {path} is no list of damaged images, which is a CSV file in UTF-8",
            DataReason.DAMAGED_LIST_UNUSABLE,
        ) from None


def without_damaged(
    people: Mapping[str, Sequence[str]], data: DataPlan, roots: PhotographRoots = ANYWHERE
) -> Mapping[str, Sequence[str]]:
    """The photographs of each person, by their paths below the folder, without those in the list ``data.skip_damaged``."""
    damaged = damaged_names(data, roots)
    if not damaged:
        return people
    return {person: [path for path in paths if path not in damaged] for person, paths in people.items()}
