"""Where the records of a RecordIO file begin: read from its index ``train.idx``, line by line, or found by a scan.

The index has a line for each record: the record's number, a tab, and the byte at which it begins. It may have tens of
millions of lines, so it is read in pieces, by NumPy.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fedface_core.domain.data_error import DataError, DataReason
from fedface_learning.data.photograph_roots import ANYWHERE, PhotographRoots

PIECE_BYTES: Final = 16 << 20
_LONGEST_LINE: Final = 200  # bytes; two numbers of 18 digits need 38
_BELOW: Final = 10**18  # Numbers of 18 digits fit in 64 bits.
_NEWLINE: Final = ord("\n")
_BLANK: Final = ord(" ")  # This byte and all below it separate numbers.


@dataclass(frozen=True)
class RecordIndex:
    """The numbers of all records, ascending, and the byte at which each begins."""

    numbers: array[int]
    offsets: array[int]

    @classmethod
    def of(
        cls, numbers: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], name: str, skipped: Collection[int]
    ) -> RecordIndex:
        """Sort the records, and leave out those ``skipped``. `DataError`, with ``name``, if one is there twice."""
        order = np.argsort(numbers, kind="stable")
        numbers = numbers[order]
        offsets = offsets[order]
        twice = np.flatnonzero(numbers[1:] == numbers[:-1])
        if len(twice):
            raise unusable_records(f"{name}: record {numbers[twice[0]]} is listed twice")
        if skipped:
            kept = ~np.isin(numbers, np.fromiter(skipped, np.int64))
            numbers = numbers[kept]
            offsets = offsets[kept]
        # Arrays of Python, not of NumPy: single numbers are read from them five times as fast.
        return cls(_array(numbers), _array(offsets))


def unusable_records(message: str) -> DataError:
    """An error of a packed data set; the ``message`` names its file."""
    return DataError(message, DataReason.RECORDS_UNUSABLE)


def read_index(idx: Path, skipped: Collection[int] = (), roots: PhotographRoots = ANYWHERE) -> RecordIndex:
    """Read the file ``idx``, without the records ``skipped``.

    `DataError` if it cannot be read or a line is wrong; the message names file and line.
    """
    numbers: list[npt.NDArray[np.int64]] = []
    offsets: list[npt.NDArray[np.int64]] = []
    lines = 0
    try:
        with roots.open(idx) as file:
            for piece in _pieces(file, idx):
                values = _numbers_in(piece, idx, lines)
                numbers.append(values[::2])
                offsets.append(values[1::2])
                lines += len(numbers[-1])
    except OSError as error:
        raise unusable_records(f"{idx} cannot be read: {error.strerror}") from error
    if not lines:
        raise unusable_records(
            f"{idx} is empty: a line for each record was expected; without the file, records are found by a scan"
        )
    return RecordIndex.of(np.concatenate(numbers), np.concatenate(offsets), str(idx), skipped)


def scanned_index(found: Iterable[tuple[int, int]], rec: Path, skipped: Collection[int]) -> RecordIndex:
    """The index of a file without one, from each record's id and first byte, in the order of the file.

    Packers write a record's number into its header as its id. Where ids repeat, records are numbered from 0 on instead.
    """
    ids = array("q")
    offsets = array("q")
    for record_id, offset in found:
        ids.append(record_id if record_id < _BELOW else -1)
        offsets.append(offset)
    numbers = np.array(ids, np.int64)
    if len(np.unique(numbers)) < len(numbers) or numbers.min() < 0:
        numbers = np.arange(len(numbers), dtype=np.int64)
    return RecordIndex.of(numbers, np.array(offsets, np.int64), str(rec), skipped)


def _pieces(file: Any, idx: Path) -> Iterator[bytes]:
    """The file in pieces of whole lines."""
    rest = b""
    while data := file.read(PIECE_BYTES):
        data = rest + data
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if len(rest) > _LONGEST_LINE:
            raise unusable_records(f"{idx} is no index: it has a line of more than {_LONGEST_LINE} bytes")
        if end:
            yield data[:end]
    if rest:
        yield rest + b"\n"


def _numbers_in(piece: bytes, idx: Path, lines_before: int) -> npt.NDArray[np.int64]:
    """The two numbers of each line, one after another."""
    if not piece.translate(None, b"0123456789\t\r\n "):
        bytes_N = np.frombuffer(piece, np.uint8)
        blank_N = bytes_N <= _BLANK
        starts_N = ~blank_N
        starts_N[1:] &= blank_N[:-1]
        numbers_until_N = np.cumsum(starts_N, dtype=np.int64)
        per_line = np.diff(numbers_until_N[bytes_N == _NEWLINE], prepend=0)
        if (per_line == 2).all():
            values: npt.NDArray[np.int64] = np.fromstring(piece, np.int64, sep=" ")
            if values.max() < _BELOW:
                return values
    for line_number, line in enumerate(piece.split(b"\n"), lines_before + 1):
        fields = line.split()
        if len(fields) != 2 or not all(field.isdigit() and len(field) < 19 for field in fields):
            found = line[:40].decode("ascii", "replace")
            raise unusable_records(f"{idx}, line {line_number}: a record's number and its byte were expected, not '{found}'")
    raise AssertionError("a line was found wrong")


def _array(values: npt.NDArray[np.int64]) -> array[int]:
    copy = array("q")
    copy.frombytes(values.tobytes())
    return copy
