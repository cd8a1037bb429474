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


@pytest.mark.parametrize(("place", "kind"), [("999996", "999996"), ("42", "42")])
def test_a_record_that_cannot_begin_where_the_index_says_is_refused_when_it_is_read(
    tmp_path: Path, place: str, kind: str
) -> None:
    folder = write_records(tmp_path, RECORDS)
    (folder / "train.idx").write_text(f"0\t0\n1\t{place}\n")
    with pytest.raises(InvalidInputError, match=rf"byte {kind}: record 1 cannot begin here: a multiple of 4 below"):
        list(opened(folder).read([0, 1]))


def test_skipped_records_are_as_if_not_there(tmp_path: Path) -> None:
    folder = write_records(tmp_path, RECORDS)
    for rebuilt in (False, True):
        if rebuilt:
            (folder / "train.idx").unlink()
        file = RecordFile(folder / "train.rec", folder / "train.idx", {1, 77})
        assert list(file.numbers) == [0, 2]
        with pytest.raises(InvalidInputError, match="there is no record 1 in its index"):
            list(file.read([1]))


@settings(max_examples=30)
@given(st.lists(st.sampled_from([b"", MAGIC, b"abcd" + MAGIC + b"xy", b"JFIF" * 9]), min_size=1), st.booleans())
def test_without_an_index_every_record_is_found_by_its_id(
    tmp_path_factory: pytest.TempPathFactory, images: list[bytes], repeated: bool
) -> None:
    """A packer writes a record's number as its id. Where all ids are 0, records are numbered in the file's order."""
    numbers = [(7 * place) % 101 + 3 for place in range(len(images))]
    records = {
        number: packed(float(number), image, 0 if repeated else number)
        for number, image in zip(numbers, images, strict=True)
    }
    folder = write_records(tmp_path_factory.mktemp("rec"), records)
    indexed = [(record.labels, record.image) for record in opened(folder).read(numbers)]
    (folder / "train.idx").unlink()
    scanned = opened(folder)
    expected = list(range(len(images))) if repeated and len(images) > 1 else sorted(numbers)
    if repeated and len(images) == 1:
        expected = [0]
    assert list(scanned.numbers) == expected
    read = scanned.read(scanned.numbers if repeated else numbers)
    assert [(record.labels, record.image) for record in read] == indexed
    assert not (folder / "train.idx").exists(), "nothing is written into a user's folder"


def test_without_an_index_a_last_record_that_is_cut_off_is_one_damaged_record(tmp_path: Path) -> None:
    folder = write_records(tmp_path, {number: packed(0.0, b"x" * 100, number) for number in range(3)})
    (folder / "train.idx").unlink()
    data = (folder / "train.rec").read_bytes()
    (folder / "train.rec").write_bytes(data[:-60])
    file = opened(folder)
    assert list(file.numbers) == [0, 1, 2]
    assert len(list(file.read([0, 1]))) == 2
    with pytest.raises(InvalidInputError, match=r"record 2 claims 124 bytes, but the file ends"):
        list(file.read([2]))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" * 20, r"byte 0: no record begins here, after 0 records, and there is no train\.idx"),
        (framed(RECORDS[1]) + b"\0" * 40, rf"byte {len(framed(RECORDS[1]))}: no record begins here, after 1 records"),
        (framed(RECORDS[1]) + MAGIC, "no record begins here, after 1 records"),
    ],
)
def test_without_an_index_a_file_of_something_else_is_refused(tmp_path: Path, data: bytes, complaint: str) -> None:
    (tmp_path / "train.rec").write_bytes(data)
    with pytest.raises(InvalidInputError, match=complaint):
        opened(tmp_path)


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
