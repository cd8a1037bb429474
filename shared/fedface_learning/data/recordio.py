"""The data set ``recordio``: InsightFace's packed sets (CASIA-WebFace, MS1M, …), a folder with train.rec and train.idx.

Source: InsightFace's own packer and loader. Of the two layouts in use, one has record 0 say where the identities' records
are, each of which says where its images are; the other has images alone, which their labels group. Nothing else that lies
in the folder (``property``, ``train.lst``) is read.
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

_EXACT = 1 << 24  # Labels are 32-bit floats: beyond this, neighbouring whole numbers are one.


@dataclass(frozen=True)
class RecordDataset:
    """Images by identity in a RecordIO file. A `FaceDataset`; each image is read when asked for, by its place."""

    file: RecordFile
    numbers: Mapping[str, Sequence[int]]
    framing: Framing
    name: str = "recordio"

    @property
    def identities(self) -> tuple[str, ...]:
        """In the order of the file's identities, or of the labels."""
        return tuple(self.numbers)

    def images(self, identity: str) -> Tensor:
        """uint8 (n, C, H, W). `InvalidInputError` for an unknown identity, and names a record that cannot be used."""
        if identity not in self.numbers:
            raise InvalidInputError(f"data set 'recordio' has no identity '{identity}' among its {len(self.numbers)}")
        records = list(self.file.read(self.numbers[identity]))
        for record in records:
            if record.labels[0] != records[0].labels[0]:
                raise InvalidInputError(
                    f"{self.file.rec}: record {record.number} has the label {record.labels[0]:g}, but record "
                    f"{records[0].number}, of the same identity by its range, has {records[0].labels[0]:g}"
                )
        return torch.stack([self._framed(record, identity) for record in records])

    def _framed(self, record: Record, identity: str) -> Tensor:
        photograph = open_photograph(BytesIO(record.image), f"{self.file.rec}: record {record.number}")
        return self.framing.frame(photograph, identity, str(record.number))


def open_recordio(data: DataPlan, size: ImageSize) -> RecordDataset:
    """Read the index, and which images are whose; no image is read yet. Identities are ``person-000000`` and so on.

    An identity with a single image is left out, because a genuine pair needs two, and a packed file cannot be mended.
    `InvalidInputError` where a file is missing or not as the format has it, or no identity is left.
    """
    assert data.folder is not None, "the plan demands a path with 'recordio'"
    folder = Path(data.folder).expanduser()
    rec, idx = folder / "train.rec", folder / "train.idx"
    for file in (rec, idx):
        if not file.is_file():
            raise InvalidInputError(
                f"data.folder: there is no {file}; 'recordio' needs a folder with train.rec and train.idx"
            )
    records = RecordFile(rec, idx)
    (first,) = records.read(records.numbers[:1])
    by_label = _by_ranges(records, first) if first.number == 0 and len(first.labels) > 1 and not first.image else None
    if by_label is None:
        by_label = _by_labels(records)
    numbers = {
        f"person-{label:06d}": images[: data.images_per_identity] for label, images in by_label.items() if len(images) > 1
    }
    if not numbers:
        raise InvalidInputError(f"{rec} has no identity with two images or more, and a genuine pair needs two")
    return RecordDataset(records, numbers, Framing.of(data, size))


def _by_ranges(records: RecordFile, header: Record) -> dict[int, Sequence[int]]:
    """The layout with identity records: record 0 names the first and the last of them, and each its first and last image."""
    begin, end = _range(records, header, records.numbers[-1] + 1)
    identities = records.read(range(begin, end), labels_only=True)
    return {label: range(*_range(records, identity, begin)) for label, identity in enumerate(identities)}


def _range(records: RecordFile, record: Record, end: int) -> tuple[int, int]:
    """Two labels as a range of records before ``end``; the second is the first that is not in it."""
    labels = record.labels[:2]
    if len(labels) < 2 or not all(label.is_integer() for label in labels) or not 1 <= labels[0] <= labels[1] <= end:
        raise InvalidInputError(
            f"{records.rec}: record {record.number} should hold a range of records from 1 to {end}, "
            f"not the labels {', '.join(f'{label:g}' for label in labels)}"
        )
    if labels[1] > _EXACT:
        raise InvalidInputError(
            f"{records.rec}: record {record.number} names record {labels[1]:.0f}, but a label cannot tell numbers above "
            f"{_EXACT} apart; pack the set anew without identity records"
        )
    return int(labels[0]), int(labels[1])


def _by_labels(records: RecordFile) -> dict[int, Sequence[int]]:
    """The layout without identity records: one pass over all headers; in the order of the labels."""
    by_label: dict[int, list[int]] = {}
    for record in records.read(records.numbers, labels_only=True):
        label = record.labels[0]
        if not (label.is_integer() and 0 <= label <= _EXACT):
            raise InvalidInputError(
                f"{records.rec}: record {record.number} has the label {label:g}; "
                f"an identity's number, 0 to {_EXACT}, was expected"
            )
        by_label.setdefault(int(label), []).append(record.number)
    return dict(sorted(by_label.items()))
