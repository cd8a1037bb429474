"""The records of an MXNet RecordIO file, as InsightFace packs its data sets: ``train.rec``.

A record is stored in parts. Each part is the magic number; a word whose upper three bits are the part's kind (0 whole
record; 1 first, 2 middle, 3 last part) and whose lower 29 bits are its length; and so many bytes, padded to a multiple of
four. Where a record itself holds the magic number, at a multiple of four bytes, it is cut into parts and the magic number
is left out; so the parts are joined by it.

A record begins with a header: flag (u32), label (f32), id and id2 (u64). If the flag is above 0, so many labels (f32)
follow, which replace the label in the header. The rest is an image. All numbers are little-endian.

The parser checks everything that a file claims before it uses it.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from fedface_learning.data.photograph_roots import ANYWHERE, PhotographRoots
from fedface_learning.data.recordio_index import read_index, scanned_index, unusable_records

_MAGIC: Final = struct.pack("<I", 0xCED7230A)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_PART: Final = struct.Struct("<4sI")
_HEADER: Final = struct.Struct("<IfQQ")
_LENGTH_MASK: Final = (1 << 29) - 1
MAX_BYTES: Final = 64 << 20  # Of a record. No photograph needs more; a damaged length may claim up to 512 MiB.


@dataclass(frozen=True)
class Record:
    """One record of the file."""

    number: int
    labels: tuple[float, ...]
    """At least one label."""
    image: bytes
    """The bytes of an image file, or none if only the labels were read."""
    image_size: int
    """The number of these bytes in the file."""


class RecordFile:
    """The records of a file, which are read by number."""

    def __init__(self, rec: Path, idx: Path, skipped: Collection[int] = (), roots: PhotographRoots = ANYWHERE) -> None:
        """Read the index ``idx`` of ``rec``, or, if there is none, scan ``rec``. Records ``skipped`` are as if not there.

        `DataError` if a file cannot be read, a line of the index is wrong, or the scan finds something else than
        records; the message names file and line, or byte.
        """
        self.rec = rec
        self._roots = roots
        self.skipped = tuple(sorted(skipped))
        """The numbers of the records that are left out, ascending."""
        try:
            with roots.open(rec) as file:
                self._size = os.fstat(file.fileno()).st_size
            index = read_index(idx, skipped, roots) if idx.is_file() else scanned_index(self._scan(), rec, skipped)
        except OSError as error:
            raise unusable_records(f"{error.filename or rec} cannot be read: {error.strerror}") from error
        self.numbers = index.numbers
        """The numbers of all records, ascending."""
        self._offsets = index.offsets

    def read(self, numbers: Iterable[int], *, labels_only: bool = False) -> Iterator[Record]:
        """Read the records of these numbers, in this order; with ``labels_only`` without their images.

        `DataError` if the file cannot be read or a record is damaged; the message names file and byte.
        """
        try:
            with self._roots.open(self.rec, buffering=0) as file:
                for number in numbers:
                    index = bisect_left(self.numbers, number)
                    if index == len(self.numbers) or self.numbers[index] != number:
                        raise unusable_records(f"{self.rec}: there is no record {number} in its index")
                    yield self._read_record(file.fileno(), number, self._offsets[index], labels_only)
        except OSError as error:
            raise unusable_records(f"{self.rec} cannot be read: {error.strerror}") from error

    def _scan(self) -> Iterator[tuple[int, int]]:
        """Each record's id and first byte."""
        if not self._size:
            raise unusable_records(f"{self.rec} is empty")
        with self._roots.open(self.rec, buffering=0) as file:
            offset = 0
            count = 0
            while offset < self._size:
                start = self._pread(file.fileno(), _PART.size + _HEADER.size, offset)
                magic, word = _PART.unpack_from(start.ljust(_PART.size, b"\0"))
                length = word & _LENGTH_MASK
                if magic != _MAGIC or len(start) < _PART.size + _HEADER.size:
                    raise unusable_records(
                        f"{self.rec}, byte {offset}: no record begins here, after {count} records, and there is no "
                        f"{self.rec.stem}.idx that says where others begin; cut the file off at this byte, or pack it again"
                    )
                record_id = _HEADER.unpack_from(start, _PART.size)[2] if length >= _HEADER.size else 1 << 64
                yield record_id, offset
                count += 1
                offset += _PART.size + length + -length % 4
                kind = word >> 29
                while kind in (_FIRST, _MIDDLE) and offset < self._size:
                    magic, word = _PART.unpack(self._pread(file.fileno(), _PART.size, offset).ljust(_PART.size, b"\0"))
                    if magic != _MAGIC or word >> 29 not in (_MIDDLE, _LAST):
                        break  # The record is damaged, which is said when it is read; another may begin here.
                    kind = word >> 29
                    length = word & _LENGTH_MASK
                    offset += _PART.size + length + -length % 4

    def _read_record(self, file: int, number: int, offset: int, labels_only: bool) -> Record:
        if offset % 4 or offset + _PART.size > self._size:
            self._raise_damaged(
                number, offset, f"cannot begin here: a multiple of 4 below the file's {self._size} bytes was expected"
            )
        # Read with the start of the part what most headers need: one call of the system is what a record costs.
        start = self._pread(file, _PART.size + _HEADER.size + 8, offset)
        kind, length = self._part_start(start, number, offset)
        if kind not in (_WHOLE, _FIRST):
            self._raise_damaged(number, offset, f"begins with a later part (kind {kind})")
        if kind == _FIRST:
            data = self._read_parts(file, number, offset, length)
            length = len(data)
        elif labels_only and length >= _HEADER.size:
            data = start[_PART.size : _PART.size + length]
            labels_end = min(_HEADER.size + 4 * _HEADER.unpack_from(data)[0], length)
            if labels_end > len(data):
                data = self._pread(file, labels_end, offset + _PART.size)
        else:
            data = self._pread(file, length, offset + _PART.size)
        if len(data) < _HEADER.size:
            self._raise_damaged(number, offset, f"has {len(data)} bytes, fewer than the {_HEADER.size} of its header")
        flag, label, _, _ = _HEADER.unpack_from(data)
        image_start = _HEADER.size + 4 * flag
        if image_start > min(length, len(data)):
            self._raise_damaged(number, offset, f"claims {flag} labels, but has {length - _HEADER.size} bytes for them")
        labels = struct.unpack_from(f"<{flag}f", data, _HEADER.size) if flag else (label,)
        return Record(number, labels, b"" if labels_only else data[image_start:], length - image_start)

    def _read_parts(self, file: int, number: int, first_offset: int, length: int) -> bytes:
        """The data of a record in parts, of which the first is ``length`` bytes long."""
        parts = [self._pread(file, length, first_offset + _PART.size)]
        total = length
        offset = first_offset
        kind = _FIRST
        while kind != _LAST:
            offset += _PART.size + length + -length % 4
            kind, length = self._part_start(self._pread(file, _PART.size, offset), number, offset)
            if kind not in (_MIDDLE, _LAST):
                self._raise_damaged(number, offset, f"ends before its last part: kind {kind} follows")
            parts.append(self._pread(file, length, offset + _PART.size))
            total += len(_MAGIC) + length
            if total > MAX_BYTES:
                self._raise_damaged(number, first_offset, f"is longer than the {MAX_BYTES} bytes that a photograph may have")
        return _MAGIC.join(parts)

    def _part_start(self, start: bytes, number: int, offset: int) -> tuple[int, int]:
        """The kind and the length of the part that begins with the bytes ``start`` at ``offset``."""
        if len(start) < _PART.size:
            self._raise_damaged(number, offset, f"goes on where the file ends, at byte {self._size}")
        magic, word = _PART.unpack_from(start)
        kind = word >> 29
        length = word & _LENGTH_MASK
        if magic != _MAGIC:
            self._raise_damaged(number, offset, f"begins with {magic.hex()}, not with the magic number {_MAGIC.hex()}")
        if length > MAX_BYTES:
            self._raise_damaged(number, offset, f"claims {length} bytes; a photograph may have {MAX_BYTES}")
        if offset + _PART.size + length > self._size:
            self._raise_damaged(number, offset, f"claims {length} bytes, but the file ends at byte {self._size}")
        return kind, length

    def _pread(self, file: int, length: int, offset: int) -> bytes:
        """The bytes of the file from ``offset`` on, fewer than ``length`` only where it ends."""
        data = os.pread(file, length, offset)
        while len(data) < length and (more := os.pread(file, length - len(data), offset + len(data))):
            data += more  # A network's file system may give less than was asked for.
        return data

    def _raise_damaged(self, number: int, offset: int, complaint: str) -> NoReturn:
        raise unusable_records(f"{self.rec}, byte {offset}: record {number} {complaint}")
