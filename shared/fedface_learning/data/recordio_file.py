"""The records of an MXNet IndexedRecordIO file, as InsightFace packs its data sets: ``train.rec`` and ``train.idx``.

The index has a line for each record: the record's number, a tab, and the byte at which it begins.

A record is stored in parts. Each part is the magic number; a word whose upper three bits are the part's kind (0 whole
record; 1 first, 2 middle, 3 last part) and whose lower 29 bits are its length; and so many bytes, padded to a multiple of
four. Where a record itself holds the magic number, at a multiple of four bytes, it is cut into parts and the magic number
is left out; so the parts are joined by it.

A record begins with a header: flag (u32), label (f32), id and id2 (u64). If the flag is above 0, so many labels (f32)
follow, which replace the label in the header. The rest is an image. All numbers are little-endian.

The parser checks everything that a file claims before it uses it.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from fedface_core.domain.errors import InvalidInputError

_MAGIC: Final = struct.pack("<I", 0xCED7230A)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_PART: Final = struct.Struct("<4sI")
_HEADER: Final = struct.Struct("<IfQQ")
MAX_BYTES: Final = 64 << 20  # Of a record. No photograph needs more; a damaged length may claim up to 512 MiB.


@dataclass(frozen=True)
class Record:
    """One record of the file."""

    number: int
    labels: tuple[float, ...]
    """At least one label."""
    image: bytes
    """The bytes of an image file, or none if only the labels were read."""


class RecordFile:
    """The records of a file, which are read by number."""

    def __init__(self, rec: Path, idx: Path) -> None:
        """Read the index ``idx`` of ``rec``.

        `InvalidInputError` if a file cannot be read or a line of the index is wrong; the message names file and line.
        """
        self.rec = rec
        try:
            self._size = rec.stat().st_size
            lines = idx.read_bytes().splitlines()
        except OSError as error:
            raise InvalidInputError(f"{error.filename} cannot be read: {error.strerror}") from error
        if not lines:
            raise InvalidInputError(f"{idx} is empty: a line for each record of {rec.name} was expected")
        # Arrays, not a dictionary: so an index of millions of records takes only megabytes.
        numbers = array("q")
        offsets = array("q")
        for line_number, line in enumerate(lines, 1):
            number, offset = self._parse_line(idx, line_number, line)
            numbers.append(number)
            offsets.append(offset)
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        self.numbers = array("q", (numbers[index] for index in order))
        """The numbers of all records, ascending."""
        self._offsets = array("q", (offsets[index] for index in order))
        for number, next_number in pairwise(self.numbers):
            if number == next_number:
                raise InvalidInputError(f"{idx}: record {number} is listed twice")

    def read(self, numbers: Iterable[int], *, labels_only: bool = False) -> Iterator[Record]:
        """Read the records of these numbers, in this order; with ``labels_only`` without their images.

        `InvalidInputError` if the file cannot be read or a record is damaged; the message names file and byte.
        """
        try:
            with self.rec.open("rb") as file:
                for number in numbers:
                    index = bisect_left(self.numbers, number)
                    if index == len(self.numbers) or self.numbers[index] != number:
                        raise InvalidInputError(f"{self.rec}: there is no record {number} in its index")
                    yield self._read_record(file, number, self._offsets[index], labels_only)
        except OSError as error:
            raise InvalidInputError(f"{self.rec} cannot be read: {error.strerror}") from error

    def _parse_line(self, idx: Path, line_number: int, line: bytes) -> tuple[int, int]:
        """The record's number and its first byte."""
        fields = line.split()
        if len(fields) != 2 or not all(field.isdigit() and len(field) < 19 for field in fields):
            found = line[:40].decode("ascii", "replace")
            raise InvalidInputError(
                f"{idx}, line {line_number}: a record's number and its byte were expected, not '{found}'"
            )
        number, offset = map(int, fields)
        if offset % 4 or offset + _PART.size > self._size:
            raise InvalidInputError(
                f"{idx}, line {line_number}: record {number} cannot begin at byte {offset} of {self.rec.name}: "
                f"a multiple of 4 below its {self._size} bytes was expected"
            )
        return number, offset

    def _read_record(self, file: BinaryIO, number: int, offset: int, labels_only: bool) -> Record:
        kind, length = self._read_part_start(file, number, offset)
        if kind not in (_WHOLE, _FIRST):
            self._raise_damaged(number, offset, f"begins with a later part (kind {kind})")
        if kind == _FIRST:
            data = self._read_parts(file, number, offset, length)
        elif labels_only and length >= _HEADER.size:
            data = file.read(_HEADER.size)
            data += file.read(min(4 * _HEADER.unpack(data)[0], length - _HEADER.size))
        else:
            data = file.read(length)
        if len(data) < _HEADER.size:
            self._raise_damaged(number, offset, f"has {len(data)} bytes, fewer than the {_HEADER.size} of its header")
        flag, label, _, _ = _HEADER.unpack_from(data)
        image_start = _HEADER.size + 4 * flag
        if image_start > len(data):
            self._raise_damaged(number, offset, f"claims {flag} labels, but has {len(data) - _HEADER.size} bytes for them")
        labels = struct.unpack_from(f"<{flag}f", data, _HEADER.size) if flag else (label,)
        return Record(number, labels, data[image_start:])

    def _read_parts(self, file: BinaryIO, number: int, first_offset: int, length: int) -> bytes:
        """The data of a record in parts; ``file`` is at the data of the first part, which is ``length`` bytes long."""
        parts = [file.read(length)]
        total = length
        offset = first_offset
        kind = _FIRST
        while kind != _LAST:
            offset += _PART.size + length + -length % 4
            kind, length = self._read_part_start(file, number, offset)
            if kind not in (_MIDDLE, _LAST):
                self._raise_damaged(number, offset, f"ends before its last part: kind {kind} follows")
            parts.append(file.read(length))
            total += len(_MAGIC) + length
            if total > MAX_BYTES:
                self._raise_damaged(number, first_offset, f"is longer than the {MAX_BYTES} bytes that a photograph may have")
        return _MAGIC.join(parts)

    def _read_part_start(self, file: BinaryIO, number: int, offset: int) -> tuple[int, int]:
        """The kind and the length of the part at ``offset``; ``file`` is then at the part's data."""
        file.seek(offset)
        start = file.read(_PART.size)
        if len(start) < _PART.size:
            self._raise_damaged(number, offset, f"goes on where the file ends, at byte {self._size}")
        magic, word = _PART.unpack(start)
        kind = word >> 29
        length = word & ((1 << 29) - 1)
        if magic != _MAGIC:
            self._raise_damaged(number, offset, f"begins with {magic.hex()}, not with the magic number {_MAGIC.hex()}")
        if length > MAX_BYTES:
            self._raise_damaged(number, offset, f"claims {length} bytes; a photograph may have {MAX_BYTES}")
        if offset + _PART.size + length > self._size:
            self._raise_damaged(number, offset, f"claims {length} bytes, but the file ends at byte {self._size}")
        return kind, length

    def _raise_damaged(self, number: int, offset: int, complaint: str) -> NoReturn:
        raise InvalidInputError(f"{self.rec}, byte {offset}: record {number} {complaint}")
