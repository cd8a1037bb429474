"""The data set ``recordio``: InsightFace's packed sets (CASIA-WebFace, MS1M, …), a folder with train.rec and train.idx.

Source: InsightFace's packer and loader. There are two layouts. In the first, record 0 has the range of the identities'
records, and each identity's record has the range of its images. In the second, there are only images, and images with
equal labels belong to one identity. Other files in the folder (``property``, ``train.lst``) are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.framing import Framing
from fedface_learning.data.photographs import open_photograph
from fedface_learning.data.recordio_file import Record, RecordFile

_MAX_EXACT = 1 << 24  # Labels are float32, which cannot tell whole numbers above this one apart.


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

        `InvalidInputError` if the identity is unknown, or a record cannot be used, which the message names.
        """
        if identity not in self.numbers:
            raise InvalidInputError(f"data set 'recordio' has no identity '{identity}' among its {len(self.numbers)}")
        records = list(self.file.read(self.numbers[identity]))
        for record in records:
            if record.labels[0] != records[0].labels[0]:
                raise InvalidInputError(
                    f"{self.file.rec}: record {record.number} has the label {record.labels[0]:g}, but record "
                    f"{records[0].number}, of the same identity by its range, has {records[0].labels[0]:g}"
                )
        return torch.stack([self._decode(record, identity) for record in records])

    def _decode(self, record: Record, identity: str) -> Tensor:
        photograph = open_photograph(BytesIO(record.image), f"{self.file.rec}: record {record.number}")
        return self.framing.frame(photograph, identity, str(record.number))


def open_recordio(data: DataPlan, size: ImageSize) -> RecordDataset:
    """Read the index and the labels in the folder ``data.folder``; no image is read yet.

    Identities are called ``person-000000`` and so on. An identity with one image is left out, because a genuine pair needs
    two. `InvalidInputError` if a file is missing or does not follow the format, or no identity is left.
    """
    assert data.folder is not None, "the plan demands a path with 'recordio'"
    folder = Path(data.folder).expanduser()
    rec = folder / "train.rec"
    idx = folder / "train.idx"
    for file in (rec, idx):
        if not file.is_file():
            raise InvalidInputError(
                f"data.folder: there is no {file}; 'recordio' needs a folder with train.rec and train.idx"
            )
    records = RecordFile(rec, idx)
    (first,) = records.read(records.numbers[:1])
    has_identity_records = first.number == 0 and len(first.labels) > 1 and not first.image
    by_label = _numbers_by_range(records, first) if has_identity_records else _numbers_by_label(records)
    numbers = {
        f"person-{label:06d}": images[: data.images_per_identity] for label, images in by_label.items() if len(images) > 1
    }
    if not numbers:
        raise InvalidInputError(f"{rec} has no identity with two images or more, and a genuine pair needs two")
    return RecordDataset(records, numbers, Framing.of(data, size))


def _numbers_by_range(records: RecordFile, record_0: Record) -> dict[int, Sequence[int]]:
    """The record numbers of each identity's images, in the layout with identity records."""
    begin, end = _range(records, record_0, records.numbers[-1] + 1)
    identities = records.read(range(begin, end), labels_only=True)
    return {label: range(*_range(records, identity, begin)) for label, identity in enumerate(identities)}


def _range(records: RecordFile, record: Record, end: int) -> tuple[int, int]:
    """The range of records, all before ``end``, in a record's two labels: the first in it, and the first after it."""
    labels = record.labels[:2]
    if len(labels) < 2 or not all(label.is_integer() for label in labels) or not 1 <= labels[0] <= labels[1] <= end:
        raise InvalidInputError(
            f"{records.rec}: record {record.number} should hold a range of records from 1 to {end}, "
            f"not the labels {', '.join(f'{label:g}' for label in labels)}"
        )
    if labels[1] > _MAX_EXACT:
        raise InvalidInputError(
            f"{records.rec}: record {record.number} names record {labels[1]:.0f}, but a label cannot tell numbers above "
            f"{_MAX_EXACT} apart; pack the set again without identity records"
        )
    return int(labels[0]), int(labels[1])


def _numbers_by_label(records: RecordFile) -> dict[int, Sequence[int]]:
    """The record numbers of each identity's images, in the layout without identity records; all headers are read."""
    by_label: dict[int, list[int]] = {}
    for record in records.read(records.numbers, labels_only=True):
        label = record.labels[0]
        if not (label.is_integer() and 0 <= label <= _MAX_EXACT):
            raise InvalidInputError(
                f"{records.rec}: record {record.number} has the label {label:g}; "
                f"an identity's number, 0 to {_MAX_EXACT}, was expected"
            )
        by_label.setdefault(int(label), []).append(record.number)
    return dict(sorted(by_label.items()))
