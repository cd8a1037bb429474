"""Which records of a packed set are whose images: identities are labels.

Source: InsightFace's packer and loader. There are two layouts. In the first, record 0 has the number of the first identity
record, and each identity record has the range of records that hold its images, which all have one label. So few headers
need to be read. In the second, there are only images, and the header of each is read.

Ranges are used if they follow one another up to the identity records, and the first and the last image of each have equal
labels. Otherwise all images are grouped by their own labels. Ranges are float32 numbers, which are exact below 2²⁴
only. Of a larger set, the ranges below are used, and the images from there on are grouped by their own labels.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Final

from fedface_learning.data.recordio_file import Record, RecordFile
from fedface_learning.data.recordio_index import unusable_records

_EXACT: Final = 1 << 24
"""float32 tells whole numbers below this one apart, and cannot tell it from the next."""

Images = Sequence[int]
"""The numbers of the records of some images."""


def images_by_identity(records: RecordFile) -> dict[int, Images]:
    """The images of each identity; identities are numbered.

    An identity's number is its place among the identity records, or its label where those cannot be used. Images of one
    label in several ranges are one identity, with the first range's number. If all ranges have the same label, then labels
    say nothing, and ranges are identities. `DataError` if a header cannot be read, or a label is no identity's
    number.
    """
    identities = _identity_records(records)
    ranges = None if identities is None else _ranges(records, identities)
    labels = None if ranges is None else _labels(records, ranges)
    if identities is None or ranges is None or labels is None:
        return _by_label(records, records.numbers)
    return _by_range(ranges, labels) if identities.stop < _EXACT else _by_range_and_label(records, ranges, labels)


def is_identity_record(record: Record) -> bool:
    """Whether it holds a range: it has two labels and no image."""
    return len(record.labels) > 1 and not record.image_size


def _identity_records(records: RecordFile) -> range | None:
    """The numbers of the identity records, as record 0 says; None if that is no use, or there is no such record 0."""
    if not records.numbers or records.numbers[0] != 0:
        return None
    (first,) = records.read([0], labels_only=True)
    return _range(first) if is_identity_record(first) else None


def _range(record: Record) -> range | None:
    """The range of records in the labels of an identity record; None if they are none."""
    begin, stop = record.labels[:2]
    return range(int(begin), int(stop)) if begin.is_integer() and stop.is_integer() and 1 <= begin <= stop else None


def _ranges(records: RecordFile, identities: range) -> list[Images] | None:
    """The exact ranges in the identity records, in their order; None if they are no use.

    Where a label cannot hold the numbers of the identity records exactly, images are among the records that are looked at.
    """
    exact = identities.stop < _EXACT
    end = min(identities.start, _EXACT)
    if not exact and records.skipped and records.skipped[-1] >= end:
        return None  # An identity record may be lost, and with it who has its images.
    ranges = []
    for record in records.read(records.numbers[bisect_left(records.numbers, end) :], labels_only=True):
        images = _range(record) if is_identity_record(record) else None
        if images is not None and images.stop <= end and images.stop < _EXACT:
            ranges.append(images)
        elif exact:
            return None
    if exact and len(ranges) != len(identities):
        return None
    # Packers leave no record between two ranges. Where there is one, a range is lost or wrong.
    in_order = sorted(ranges, key=lambda each: (each.start, each.stop))
    whole = [range(1), *in_order, *([range(end, end)] if exact else [])]
    if any(later.start != earlier.stop for earlier, later in pairwise(whole)):
        return None
    return [_in_index(records, each) for each in ranges]


def _in_index(records: RecordFile, images: range) -> Images:
    """The records of a range that there are: some may be skipped, or not be in the index."""
    first = bisect_left(records.numbers, images.start)
    after = bisect_left(records.numbers, images.stop)
    return images if after - first == len(images) else records.numbers[first:after]


def _labels(records: RecordFile, ranges: Sequence[Images]) -> list[float] | None:
    """The label of each range, -1 for an empty one; None if a range's first and last images have different labels."""
    ends = [number for images in ranges if images for number in (images[0], images[-1])]
    found = (record.labels[0] for record in records.read(ends, labels_only=True))
    labels = []
    for images in ranges:
        label = next(found) if images else -1.0
        if images and next(found) != label:
            return None
        labels.append(label)
    return labels


def _by_range(ranges: Sequence[Images], labels: Sequence[float]) -> dict[int, Images]:
    parts: dict[float, list[tuple[int, Images]]] = {}
    for number, (images, label) in enumerate(zip(ranges, labels, strict=True)):
        if images:
            parts.setdefault(label, []).append((number, images))
    if len(parts) == 1:
        return {number: images for number, images in enumerate(ranges) if images}
    return {same[0][0]: _joined([images for _, images in same]) for same in parts.values()}


def _by_range_and_label(records: RecordFile, ranges: Sequence[Images], labels: Sequence[float]) -> dict[int, Images]:
    """Identities by label: of the images in the ranges, and of those after them."""
    parts: dict[int, list[Images]] = {}
    for images, label in zip(ranges, labels, strict=True):
        if images:
            parts.setdefault(_identity_number(records, images[0], label), []).append(images)
    covered = max((images[-1] + 1 for images in ranges if images), default=1)
    rest = records.numbers[bisect_left(records.numbers, covered) :]
    for number, images in _by_label(records, rest).items():
        parts.setdefault(number, []).append(images)
    return {number: _joined(parts[number]) for number in sorted(parts)}


def _joined(parts: Sequence[Images]) -> Images:
    """The images of all parts, by number. One range stays a range, which takes no memory."""
    return parts[0] if len(parts) == 1 else array("q", sorted(chain.from_iterable(parts)))


def _by_label(records: RecordFile, numbers: Sequence[int]) -> dict[int, Images]:
    """The images among the records of these numbers, by label; the header of each is read."""
    by_label: dict[int, array[int]] = {}
    for record in records.read(numbers, labels_only=True):
        if not is_identity_record(record):
            label = _identity_number(records, record.number, record.labels[0])
            by_label.setdefault(label, array("q")).append(record.number)
    return dict(sorted(by_label.items()))


def _identity_number(records: RecordFile, record: int, label: float) -> int:
    """The label of an image as a whole number. `DataError`, which names the record, if it is none."""
    if not (label.is_integer() and 0 <= label <= _EXACT):
        raise unusable_records(
            f"{records.rec}: record {record} has the label {label:g}; an identity's number, 0 to {_EXACT}, was expected"
        )
    return int(label)
