"""RecordIO files: records in parts come back whole, and every damage is named."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data import recordio_file
from fedface_learning.data.recordio_file import RecordFile
from support.recordio import MAGIC, framed, packed, write_records

RECORDS = {0: packed([7.0, 10.0]), 1: packed(0.0, b"abcdefgh"), 2: packed(1.0, b"ijkl")}
RECORD_1 = len(framed(RECORDS[0]))  # Where record 1 begins: 40.


def opened(folder: Path) -> RecordFile:
    return RecordFile(folder / "train.rec", folder / "train.idx")


@settings(max_examples=50)
@given(st.lists(st.lists(st.sampled_from([MAGIC, b"abcd", b"xy", MAGIC[:2]]), max_size=6).map(b"".join), min_size=1))
def test_records_come_back_whole_wherever_they_hold_the_magic_number(
    tmp_path_factory: pytest.TempPathFactory, images: list[bytes]
) -> None:
    records = {number: packed(3.0, image, number) for number, image in enumerate(images)}
    file = opened(write_records(tmp_path_factory.mktemp("rec"), records))
    read = list(file.read(range(len(images))))
    assert [record.image for record in read] == images
    assert {record.labels for record in read} == {(3.0,)}
    assert [record.labels for record in file.read(range(len(images)), labels_only=True)] == [(3.0,)] * len(images)


def test_records_are_read_by_number_in_any_order(tmp_path: Path) -> None:
    file = opened(write_records(tmp_path, {number: RECORDS[number] for number in (2, 0, 1)}))
    assert list(file.numbers) == [0, 1, 2]
    assert [record.image for record in file.read([1, 2, 1])] == [b"abcdefgh", b"ijkl", b"abcdefgh"]
    (record,) = file.read([0])
    assert (record.number, record.labels, record.image) == (0, (7.0, 10.0), b"")


def test_parts_are_padded_to_four_bytes(tmp_path: Path) -> None:
    record = packed(3.0, b"abcdefg")
    first = MAGIC + struct.pack("<I", 1 << 29 | 25) + record[:25] + bytes(3)
    last = MAGIC + struct.pack("<I", 3 << 29 | 6) + record[25:] + bytes(2)
    (tmp_path / "train.rec").write_bytes(first + last)
    (tmp_path / "train.idx").write_text("0\t0\n")
    (read,) = opened(tmp_path).read([0])
    assert read.image == b"a" + MAGIC + b"bcdefg"


def test_parts_that_never_end_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordio_file, "MAX_BYTES", 100)
    file = opened(write_records(tmp_path, {0: packed(0.0, (b"abcd" + MAGIC) * 20)}))
    with pytest.raises(InvalidInputError, match="byte 0: record 0 is longer than the 100 bytes that a photograph may have"):
        list(file.read([0]))


def test_a_record_that_the_index_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"train\.rec: there is no record 3 in its index"):
        list(opened(write_records(tmp_path, RECORDS)).read([0, 3]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"train\.rec cannot be read: No such file or directory"):
        opened(tmp_path)


def test_a_file_cut_short_is_refused_where_it_ends(tmp_path: Path) -> None:
    folder = write_records(tmp_path, RECORDS)
    data = (folder / "train.rec").read_bytes()
    (folder / "train.rec").write_bytes(data[:-2])
    with pytest.raises(InvalidInputError, match=rf"record 2 claims 28 bytes, but the file ends at byte {len(data) - 2}"):
        list(opened(folder).read([1, 2]))


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        ("", r"train\.idx is empty: a line for each record of train\.rec was expected"),
        ("0\t0\n1\n", r"train\.idx, line 2: a record's number and its byte were expected, not '1'"),
        ("zero\t0\n", r"train\.idx, line 1: .* not 'zero\t0'"),
        ("0\t-8\n", r"train\.idx, line 1: a record's number and its byte were expected, not '0\t-8'"),
        (f"{'9' * 30}\t0\n", r"train\.idx, line 1: a record's number"),
        ("0\t0\n1\t999996\n", r"line 2: record 1 cannot begin at byte 999996 of train\.rec"),
        ("0\t0\n1\t42\n", r"line 2: record 1 cannot begin at byte 42 .* multiple of 4 below"),
        ("0\t0\n1\t40\n0\t40\n", r"train\.idx: record 0 is listed twice"),
    ],
)
def test_a_malformed_index_is_refused(tmp_path: Path, index: str, complaint: str) -> None:
    folder = write_records(tmp_path, RECORDS)
    (folder / "train.idx").write_text(index)
    with pytest.raises(InvalidInputError, match=complaint):
        opened(folder)


def overwrite(offset: int, data: bytes) -> Callable[[bytes], bytes]:
    return lambda rec: rec[:offset] + data + rec[offset + len(data) :]


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (overwrite(0, b"PK\x03\x04"), "byte 0: record 0 begins with 504b0304, not with the magic number 0a23d7ce"),
        (overwrite(4, b"\xff\xff\xff\x1f"), "byte 0: record 0 claims 536870911 bytes; a photograph may have 67108864"),
        (overwrite(4, struct.pack("<I", 1 << 20)), "byte 0: record 0 claims 1048576 bytes, but the file ends"),
        (overwrite(4, struct.pack("<I", 2 << 29 | 8)), r"byte 0: record 0 begins with a later part \(kind 2\)"),
        (
            overwrite(4, struct.pack("<I", 1 << 29 | 32)),
            f"byte {RECORD_1}: record 0 ends before its last part: kind 0 follows",
        ),
        (overwrite(4, struct.pack("<I", 20)), "byte 0: record 0 has 20 bytes, fewer than the 24 of its header"),
        (overwrite(8, struct.pack("<I", 1 << 30)), "byte 0: record 0 claims 1073741824 labels, but has 8 bytes"),
    ],
)
@pytest.mark.parametrize("labels_only", [False, True])
def test_a_malformed_record_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], complaint: str, labels_only: bool
) -> None:
    folder = write_records(tmp_path, RECORDS)
    (folder / "train.rec").write_bytes(damage((folder / "train.rec").read_bytes()))
    with pytest.raises(InvalidInputError, match=complaint):
        list(opened(folder).read([0], labels_only=labels_only))
