"""Finds the images of a data set that cannot be used, by decoding all of them once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
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
from fedface_learning.processes import in_order, worth_starting

OnProgress = Callable[[int, int], None]
"""Takes the number of images or records that are done, and the number of all."""

_ANY_SIZE = ImageSize(8, 8, 3)  # Photographs are read in their own size.


def find_damaged(data: DataPlan, on_progress: OnProgress, workers: int = 1) -> tuple[list[DamagedImage], int]:
    """The damaged images of a data set `folder` or `recordio`, in its order; and how many images there are.

    They are decoded by up to so many ``workers``: processes, or with 1 this process itself.

    `DataError` if the data set cannot be opened for another reason than a damaged image.
    """
    if data.dataset == "recordio":
        return _damaged_records(data, on_progress, workers)
    assert data.dataset == "folder", "other data sets have no files of a user"
    return _damaged_files(data, on_progress, workers)


def _damaged_files(data: DataPlan, on_progress: OnProgress, workers: int) -> tuple[list[DamagedImage], int]:
    assert data.folder is not None
    root = Path(data.folder).expanduser()
    files = [file for paths in open_folder(data, _ANY_SIZE).files.values() for file in paths]
    damaged = []
    with closing(in_order(_reason_against, files, worth_starting(workers, len(files)))) as reasons:
        for done, (file, reason) in enumerate(zip(files, reasons, strict=True), 1):
            if reason is not None:
                damaged.append(DamagedImage(file.relative_to(root).as_posix(), reason))
            on_progress(done, len(files))
    return damaged, len(files)


def _reason_against(file: Path) -> str | None:
    """Why an image file cannot be used; None if it can."""
    try:
        read_photograph(file)
    except DataError as error:
        return str(error)
    return None


def _damaged_records(data: DataPlan, on_progress: OnProgress, workers: int) -> tuple[list[DamagedImage], int]:
    records = open_records(data)
    reasons, labels, images = _decode_all(records, on_progress, workers)
    # What cannot be read cannot say whose image it is, so the images are grouped without it.
    usable = open_records(data, reasons)
    for numbers in images_by_identity(usable).values():
        reasons |= _strangers(numbers, records.rec, records.numbers, labels)
    damaged = [DamagedImage(str(number), reasons[number]) for number in sorted(reasons)]
    return damaged, images


@dataclass(frozen=True)
class _Decoder:
    """Decodes a record: gives its first label (0 if there is none), whether it is an image, and why it cannot be used."""

    records: RecordFile

    def __call__(self, number: int) -> tuple[float, bool, str | None]:
        label = 0.0
        try:
            (record,) = self.records.read([number])
            label = record.labels[0]
            if is_identity_record(record):
                return label, False, None
            decode(record, self.records.rec)
        except DataError as error:
            return label, True, str(error)
        return label, True, None


def _decode_all(records: RecordFile, on_progress: OnProgress, workers: int) -> tuple[dict[int, str], array[float], int]:
    """Why records cannot be used, by their numbers; each record's first label, by its place; and how many are images."""
    reasons = {}
    images = 0
    labels = array("f")
    numbers = records.numbers
    with closing(in_order(_Decoder(records), numbers, worth_starting(workers, len(numbers)))) as decoded:
        for number, (label, is_image, reason) in zip(numbers, decoded, strict=True):
            labels.append(label)
            images += is_image
            if reason is not None:
                reasons[number] = reason
            on_progress(len(labels), len(numbers))
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
