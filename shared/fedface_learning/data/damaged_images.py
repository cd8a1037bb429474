"""Finds the images of a data set that cannot be used, by decoding all of them once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

from fedface_core.domain.data_error import DataError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.damaged import DamagedImage
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.folder import open_folder
from fedface_learning.data.photographs import read_photograph
from fedface_learning.data.recordio import decode, open_records, other_label
from fedface_learning.data.recordio_file import RecordFile
from fedface_learning.data.recordio_identities import images_by_identity, is_identity_record

OnProgress = Callable[[int, int], None]
"""Takes the number of images or records that are done, and the number of all."""

_ANY_SIZE = ImageSize(8, 8, 3)  # Photographs are read in their own size.


def find_damaged(data: DataPlan, on_progress: OnProgress) -> tuple[list[DamagedImage], int]:
    """The damaged images of a data set `folder` or `recordio`, in its order; and how many images there are.

    `DataError` if the data set cannot be opened for another reason than a damaged image.
    """
    if data.dataset == "recordio":
        return _damaged_records(data, on_progress)
    assert data.dataset == "folder", "other data sets have no files of a user"
    return _damaged_files(data, on_progress)


def _damaged_files(data: DataPlan, on_progress: OnProgress) -> tuple[list[DamagedImage], int]:
    assert data.folder is not None
    root = Path(data.folder).expanduser()
    files = [file for paths in open_folder(data, _ANY_SIZE).files.values() for file in paths]
    damaged = []
    for done, file in enumerate(files, 1):
        try:
            read_photograph(file)
        except DataError as error:
            damaged.append(DamagedImage(file.relative_to(root).as_posix(), str(error)))
        on_progress(done, len(files))
    return damaged, len(files)


def _damaged_records(data: DataPlan, on_progress: OnProgress) -> tuple[list[DamagedImage], int]:
    records = open_records(data)
    reasons, labels, images = _decode_all(records, on_progress)
    # What cannot be read cannot say whose image it is, so the images are grouped without it.
    usable = open_records(data, reasons)
    for numbers in images_by_identity(usable).values():
        reasons |= _strangers(numbers, records.rec, records.numbers, labels)
    damaged = [DamagedImage(str(number), reasons[number]) for number in sorted(reasons)]
    return damaged, images


def _decode_all(records: RecordFile, on_progress: OnProgress) -> tuple[dict[int, str], array[float], int]:
    """Why records cannot be used, by their numbers; each record's first label, by its place; and how many are images."""
    reasons = {}
    images = len(records.numbers)
    labels = array("f", bytes(4 * len(records.numbers)))
    for place, number in enumerate(records.numbers):
        try:
            (record,) = records.read([number])
            labels[place] = record.labels[0]
            if is_identity_record(record):
                images -= 1
            else:
                decode(record, records.rec)
        except DataError as error:
            reasons[number] = str(error)
        on_progress(place + 1, len(records.numbers))
    return reasons, labels, images


def _strangers(images: Sequence[int], rec: Path, numbers: Sequence[int], labels: Sequence[float]) -> dict[int, str]:
    """The images in an identity's range that have another label than its first."""
    strangers = {}
    expected = None
    for image in images:
        label = labels[bisect_left(numbers, image)]
        expected = label if expected is None else expected
        if label != expected:
            strangers[image] = f"{rec}: record {image} {other_label(label, expected)}"
    return strangers
