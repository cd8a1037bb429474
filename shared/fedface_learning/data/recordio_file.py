"""The records of an MXNet IndexedRecordIO file, as InsightFace packs its data sets: ``train.rec`` and ``train.idx``.

The index has a line for each record: its number, a tab, the byte where it begins. There stand the magic number, a word whose
upper three bits say whether a part of a record follows (0 whole; 1 first, 2 middle, 3 last part) and whose lower 29 bits how
long it is, and so many bytes, padded to four. A record is cut in parts wherever it holds the magic number itself, at a
multiple of four bytes; so the magic number is what belongs between the parts. All numbers are little-endian.

A record begins with a header: flag (u32), label (f32), id and id2 (u64). A flag above 0 is how many labels (f32) follow, in
place of the one in the header. The rest is an image. Nothing a file says is believed before it is checked.
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
MOST_BYTES: Final = 64 << 20  # No photograph needs more; a damaged length claims up to 512 MiB.


@dataclass(frozen=True)
class Record:
    """One record: its labels, at least one, and an image file's bytes; none where only labels were asked for."""

    number: int
    labels: tuple[float, ...]
    image: bytes


class RecordFile:
    """Random access to records by number. `InvalidInputError` names the file and the line or byte that is wrong."""

    def __init__(self, rec: Path, idx: Path) -> None:
        self.rec = rec
        try:
            self._size = rec.stat().st_size
            lines = idx.read_bytes().splitlines()
        except OSError as error:
            raise InvalidInputError(f"{error.filename} cannot be read: {error.strerror}") from error
        if not lines:
            raise InvalidInputError(f"{idx} is empty: a line for each record of {rec.name} was expected")
        # Arrays, not a dictionary: an index of millions of records then takes megabytes.
        numbers, offsets = array("q"), array("q")
        for line_number, line in enumerate(lines, 1):
            number, offset = self._place(idx, line_number, line)
            numbers.append(number)
            offsets.append(offset)
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        self.numbers = array("q", (numbers[at] for at in order))
        self._offsets = array("q", (offsets[at] for at in order))
        for one, other in pairwise(self.numbers):
            if one == other:
                raise InvalidInputError(f"{idx}: record {one} stands there twice")

    def read(self, numbers: Iterable[int], *, labels_only: bool = False) -> Iterator[Record]:
        """The records of these numbers, in this order."""
        try:
            with self.rec.open("rb") as file:
                for number in numbers:
                    at = bisect_left(self.numbers, number)
                    if at == len(self.numbers) or self.numbers[at] != number:
                        raise InvalidInputError(f"{self.rec}: there is no record {number} in its index")
                    yield self._record(file, number, self._offsets[at], labels_only)
        except OSError as error:
            raise InvalidInputError(f"{self.rec} cannot be read: {error.strerror}") from error

    def _place(self, idx: Path, line_number: int, line: bytes) -> tuple[int, int]:
        fields = line.split()
        if len(fields) != 2 or not all(field.isdigit() and len(field) < 19 for field in fields):
            found = line[:40].decode("ascii", "replace")
            raise InvalidInputError(
                f"{idx}, line {line_number}: a record's number and its byte were expected, not '{found}'"
            )
        number, offset = int(fields[0]), int(fields[1])
        if offset % 4 or offset + _PART.size > self._size:
            raise InvalidInputError(
                f"{idx}, line {line_number}: record {number} cannot begin at byte {offset} of {self.rec.name}: "
                f"a multiple of 4 below its {self._size} bytes was expected"
            )
        return number, offset

    def _record(self, file: BinaryIO, number: int, offset: int, labels_only: bool) -> Record:
        kind, length = self._part(file, number, offset)
        if kind not in (_WHOLE, _FIRST):
            self._refuse(number, offset, f"begins with a later part (kind {kind})")
        if kind == _FIRST:
            data = self._joined(file, number, offset, length)
        elif labels_only and length >= _HEADER.size:
            data = file.read(_HEADER.size)
            data += file.read(min(4 * _HEADER.unpack(data)[0], length - _HEADER.size))
        else:
            data = file.read(length)
        if len(data) < _HEADER.size:
            self._refuse(number, offset, f"has {len(data)} bytes, fewer than the {_HEADER.size} of its header")
        flag, label, _, _ = _HEADER.unpack_from(data)
        image_at = _HEADER.size + 4 * flag
        if image_at > len(data):
            self._refuse(number, offset, f"claims {flag} labels, but has {len(data) - _HEADER.size} bytes for them")
        labels = struct.unpack_from(f"<{flag}f", data, _HEADER.size) if flag else (label,)
        return Record(number, labels, data[image_at:])

    def _joined(self, file: BinaryIO, number: int, offset: int, length: int) -> bytes:
        """A record in parts, of which the first, at ``offset``, is ``length`` bytes long."""
        parts, kind, total, begin = [file.read(length)], _FIRST, length, offset
        while kind != _LAST:
            offset += _PART.size + length + -length % 4
            kind, length = self._part(file, number, offset)
            if kind not in (_MIDDLE, _LAST):
                self._refuse(number, offset, f"ends before its last part: kind {kind} follows")
            parts.append(file.read(length))
            total += len(_MAGIC) + length
            if total > MOST_BYTES:
                self._refuse(number, begin, f"is longer than the {MOST_BYTES} bytes that a photograph may have")
        return _MAGIC.join(parts)

    def _part(self, file: BinaryIO, number: int, offset: int) -> tuple[int, int]:
        """The kind and the length of the part at a byte, after which ``file`` stands at its data."""
        file.seek(offset)
        head = file.read(_PART.size)
        if len(head) < _PART.size:
            self._refuse(number, offset, f"goes on where the file ends, at byte {self._size}")
        magic, word = _PART.unpack(head)
        kind, length = word >> 29, word & ((1 << 29) - 1)
        if magic != _MAGIC:
            self._refuse(number, offset, f"begins with {magic.hex()}, not with the magic number {_MAGIC.hex()}")
        if length > MOST_BYTES:
            self._refuse(number, offset, f"claims {length} bytes; a photograph may have {MOST_BYTES}")
        if offset + _PART.size + length > self._size:
            self._refuse(number, offset, f"claims {length} bytes, but the file ends at byte {self._size}")
        return kind, length

    def _refuse(self, number: int, offset: int, complaint: str) -> NoReturn:
        raise InvalidInputError(f"{self.rec}, byte {offset}: record {number} {complaint}")
