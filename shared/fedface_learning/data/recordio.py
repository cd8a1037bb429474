"""The data set ``recordio``: a folder with train.rec, as InsightFace packs its sets (CASIA-WebFace, MS1M, Glint360K, …).

MXNet's `im2rec` writes such files too. Their index train.idx may be missing. ``property`` and ``train.lst`` are not read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.damaged import damaged_names
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.framing import Framing
from fedface_learning.data.photograph_roots import ANYWHERE, PhotographRoots
from fedface_learning.data.photographs import open_photograph
from fedface_learning.data.recordio_file import Record, RecordFile
from fedface_learning.data.recordio_identities import images_by_identity
from fedface_learning.data.recordio_index import unusable_records


@dataclass(frozen=True)
class RecordDataset:
    """A `FaceDataset` of the images in a RecordIO file, which are read and framed by `images`."""

    file: RecordFile
    numbers: Mapping[str, Sequence[int]]
    """The numbers of the records of each identity's images; the order is that of the data set."""
    framing: Framing
    name: str = "recordio"

    @property
    def identities(self) -> tuple[str, ...]:
        """Every identity, in the order of ``numbers``."""
        return tuple(self.numbers)

    def images(self, identity: str) -> Tensor:
        """All images of an identity (N, C, H, W), uint8.

        `DataError` if the identity is unknown, or a record cannot be used, which the message names.
        """
        if identity not in self.numbers:
            raise DataError(
                f"data set 'recordio' has no identity '{identity}' among its {len(self.numbers)}",
                DataReason.NO_SUCH_IDENTITY,
                identities=len(self.numbers),
            )
        try:
            return torch.stack(list(self._framed(identity)))
        except DataError as error:
            advice = "`fedface data check` lists such images for data.skip_damaged"
            raise DataError(f"{error}; {advice}", error.reason) from error

    def _framed(self, identity: str) -> Iterator[Tensor]:
        expected = None
        for record in self.file.read(self.numbers[identity]):
            label = record.labels[0]
            expected = label if expected is None else expected
            if label != expected:
                raise unusable_records(f"{self.file.rec}: record {record.number} {other_label(label, expected)}")
            yield self.framing.frame(decode(record, self.file.rec), identity, str(record.number))


def open_recordio(data: DataPlan, size: ImageSize, roots: PhotographRoots = ANYWHERE) -> RecordDataset:
    """Read the index and the labels in the folder ``data.folder``; no image is read yet.

    Identities are called ``person-000000`` and so on. An identity with one image is left out, because a genuine pair needs
    two. Images in the list ``data.skip_damaged`` are left out. `DataError` if there is no train.rec below the ``roots``, a
    file does not follow the format, or no identity is left.
    """
    names = damaged_names(data, roots)
    if not all(name.isdecimal() and len(name) < 19 for name in names):
        raise DataError(
            f"data.skip_damaged: {data.skip_damaged} names something else than records by their numbers; "
            "is it the list of another data set?",
            DataReason.DAMAGED_LIST_UNUSABLE,
        )
    records = open_records(data, {int(name) for name in names}, roots)
    numbers = {
        f"person-{number:06d}": images[: data.images_per_identity]
        for number, images in images_by_identity(records).items()
        if len(images) > 1
    }
    if not numbers:
        raise DataError(
            f"{records.rec} has no identity with two images or more, and a genuine pair needs two",
            DataReason.TOO_FEW_PHOTOGRAPHS,
        )
    return RecordDataset(records, numbers, Framing.of(data, size))


def open_records(data: DataPlan, skipped: Collection[int] = (), roots: PhotographRoots = ANYWHERE) -> RecordFile:
    """The records of train.rec in the folder ``data.folder``, without those ``skipped``.

    `DataError` if there is no train.rec, or it or its index cannot be used.
    """
    assert data.folder is not None, "the plan demands a path with 'recordio'"
    folder = roots.located(data.folder, DataReason.FOLDER_NOT_THERE)
    rec = folder / "train.rec"
    if not rec.is_file():
        raise DataError(
            f"data.folder: there is no {rec}; 'recordio' needs the folder of train.rec{_found_instead(folder)}",
            DataReason.FOLDER_NOT_THERE,
        )
    return RecordFile(rec, folder / "train.idx", skipped, roots)


def _found_instead(folder: Path) -> str:
    if folder.is_file():
        return f", but {folder} is a file"
    try:
        others = sorted(file.name for file in folder.glob("*.rec"))
    except OSError:
        return ""
    return f", and has {others[0]}: rename it, and its .idx, or link it under these names" if others else ""


def decode(record: Record, rec: Path) -> Image.Image:
    """The photograph in a record of the file ``rec``. `DataError` if there is none, or it cannot be used."""
    name = f"{rec}: record {record.number}"
    if not record.image:
        raise unusable_records(f"{name} has no image")
    return open_photograph(BytesIO(record.image), name)


def other_label(label: float, expected: float) -> str:
    """What is wrong with a record whose label is not that of the others in its range."""
    return f"has the label {label:g}, but others of the same identity, by its range, have {expected:g}"
