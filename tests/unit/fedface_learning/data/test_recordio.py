"""InsightFace's packed data sets: both layouts, records in parts, and what each damaged file is told."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import FaceDataset, ImageSize, open_dataset, recordio_file
from fedface_learning.data.recordio_file import RecordFile
from support.recordio import MAGIC, framed, grey_png, packed, with_identities, write_records

SIZE = ImageSize(24, 20, 3)
PEOPLE = [[grey_png(10), grey_png(20), grey_png(30)], [grey_png(99)], [grey_png(40), grey_png(50)]]


def opened(folder: Path, **options: float) -> FaceDataset:
    data = DataPlan.model_validate({"dataset": "recordio", "folder": str(folder), **options})
    return open_dataset(data, SIZE, 2)


def brightness(dataset: FaceDataset, identity: str) -> list[int]:
    return dataset.images(identity)[:, 0, 5, 5].tolist()


def test_identity_records_give_the_images_of_each(tmp_path: Path) -> None:
    dataset = opened(write_records(tmp_path, with_identities(PEOPLE)))
    assert dataset.name == "recordio"
    assert dataset.identities == ("person-000000", "person-000002")  # one image makes no genuine pair
    assert dataset.images("person-000002").shape == (2, 3, 24, 20)
    assert brightness(dataset, "person-000000") == [10, 20, 30]
    assert brightness(dataset, "person-000002") == [40, 50]


def test_without_identity_records_labels_group_the_images(tmp_path: Path) -> None:
    records = {number: record for number, record in with_identities(PEOPLE).items() if 1 <= number <= 6}
    shuffled = {number: records[number] for number in (5, 1, 6, 3, 2, 4)}
    for first in (0, 1):  # people number such records from 0 or from 1
        folder = write_records(tmp_path / str(first), {number - 1 + first: record for number, record in shuffled.items()})
        dataset = opened(folder)
        assert dataset.identities == ("person-000000", "person-000002")
        assert [brightness(dataset, identity) for identity in dataset.identities] == [[10, 20, 30], [40, 50]]


def test_a_label_of_several_numbers_is_the_first(tmp_path: Path) -> None:
    records = {at: packed([float(at // 2), 7.0, 9.0], grey_png(at)) for at in range(4)}
    assert brightness(opened(write_records(tmp_path, records)), "person-000001") == [2, 3]


def test_images_per_identity_misalignment_and_low_resolution_hold_here_too(tmp_path: Path) -> None:
    folder = write_records(tmp_path, with_identities(PEOPLE))
    assert brightness(opened(folder, images_per_identity=2), "person-000000") == [10, 20]
    assert brightness(opened(folder, misalignment=0.2, low_resolution=8), "person-000000") == [10, 20, 30]


def test_unknown_identity(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="'recordio' has no identity 'person-000001' among its 2"):
        opened(write_records(tmp_path, with_identities(PEOPLE))).images("person-000001")


@given(st.lists(st.lists(st.sampled_from([MAGIC, b"abcd", b"xy", MAGIC[:2]]), max_size=6).map(b"".join), min_size=1))
def test_records_come_back_whole_wherever_they_hold_the_magic_number(
    tmp_path_factory: pytest.TempPathFactory, images: list[bytes]
) -> None:
    folder = write_records(tmp_path_factory.mktemp("rec"), {at: packed(3.0, image, at) for at, image in enumerate(images)})
    file = RecordFile(folder / "train.rec", folder / "train.idx")
    read = list(file.read(range(len(images))))
    assert [record.image for record in read] == images
    assert {record.labels for record in read} == {(3.0,)}
    assert [record.labels for record in file.read(range(len(images)), labels_only=True)] == [(3.0,)] * len(images)


def at(offset: int, data: bytes) -> Callable[[Path], object]:
    """Overwrites bytes of train.rec."""

    def damage(folder: Path) -> None:
        rec = bytearray((folder / "train.rec").read_bytes())
        rec[offset : offset + len(data)] = data
        (folder / "train.rec").write_bytes(rec)

    return damage


def index(text: str) -> Callable[[Path], object]:
    """Replaces train.idx."""
    return lambda folder: (folder / "train.idx").write_text(text)


def records(**changed: bytes) -> Callable[[Path], object]:
    """Packs the set anew with some records changed: ``_6=…``."""
    changes = {int(name[1:]): record for name, record in changed.items()}
    return lambda folder: write_records(folder, with_identities(PEOPLE) | changes)


def cut(folder: Path) -> None:
    rec = (folder / "train.rec").read_bytes()
    (folder / "train.rec").write_bytes(rec[:-12])


RECORD_1 = len(framed(packed([7.0, 10.0])))  # where record 1 begins: 40

MALFORMED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda folder: (folder / "train.idx").unlink(), r"there is no .*train\.idx; 'recordio' needs a folder"),
    "no records": (lambda folder: (folder / "train.rec").unlink(), r"there is no .*train\.rec; 'recordio' needs a folder"),
    "empty index": (index(""), r"train\.idx is empty: a line for each record of train\.rec was expected"),
    "one column": (index("0\t0\n1\n"), r"train\.idx, line 2: a record's number and its byte were expected, not '1'"),
    "words": (index("zero\t0\n"), r"train\.idx, line 1: .* not 'zero\t0'"),
    "negative": (index("0\t-8\n"), r"train\.idx, line 1: a record's number and its byte were expected, not '0\t-8'"),
    "number too long": (index(f"{'9' * 30}\t0\n"), r"train\.idx, line 1: a record's number"),
    "beyond the end": (index("0\t0\n1\t999996\n"), r"line 2: record 1 cannot begin at byte 999996 of train\.rec"),
    "not a multiple of four": (index("0\t0\n1\t42\n"), r"line 2: record 1 cannot begin at byte 42 .* multiple of 4 below"),
    "twice": (index("0\t0\n1\t40\n0\t40\n"), r"train\.idx: record 0 is listed twice"),
    "not a record": (at(0, b"PK\x03\x04"), r"byte 0: record 0 begins with 504b0304, not with the magic number 0a23d7ce"),
    "too long": (at(4, b"\xff\xff\xff\x1f"), r"byte 0: record 0 claims 536870911 bytes; a photograph may have 67108864"),
    "longer than the file": (at(4, struct.pack("<I", 1 << 20)), r"byte 0: record 0 claims 1048576 bytes, but the file ends"),
    "begins in the middle": (at(4, struct.pack("<I", 2 << 29 | 8)), r"byte 0: record 0 begins with a later part \(kind 2\)"),
    "never ends": (
        at(4, struct.pack("<I", 1 << 29 | 32)),
        rf"byte {RECORD_1}: record 0 ends before its last part: kind 0 follows",
    ),
    "shorter than a header": (
        at(4, struct.pack("<I", 20)),
        r"byte 0: record 0 has 20 bytes, fewer than the 24 of its header",
    ),
    "too many labels": (at(8, struct.pack("<I", 1 << 30)), r"byte 0: record 0 claims 1073741824 labels, but has 8 bytes"),
    "range that ends before it begins": (
        records(_8=packed([5.0, 4.0])),
        r"record 8 should hold a range of records from 1 to 7, not the labels 5, 4",
    ),
    "range of fractions": (records(_0=packed([7.5, 10.0])), r"record 0 should hold a range .* not the labels 7\.5, 10"),
    "range of nothing": (records(_0=packed([float("nan")] * 2)), r"record 0 should hold a range .* not the labels nan, nan"),
    "identity with an image's label": (records(_8=packed(3.0)), r"record 8 should hold a range .* not the labels 3"),
    "missing identity": (records(_0=packed([7.0, 20.0])), r"record 0 should hold a range of records from 1 to 10"),
    "fractional label": (
        lambda folder: write_records(folder, {1: packed(0.5, grey_png(1))}),
        r"record 1 has the label 0\.5; an identity's number, 0 to 16777216, was expected",
    ),
    "nobody twice": (
        lambda folder: write_records(folder, {1: packed(0.0, grey_png(1)), 2: packed(1.0, grey_png(1))}),
        r"train\.rec has no identity with two images or more",
    ),
}


@pytest.mark.parametrize("damaged", MALFORMED)
def test_a_malformed_file_is_refused_when_opened(tmp_path: Path, damaged: str) -> None:
    folder = write_records(tmp_path, with_identities(PEOPLE))
    damage, complaint = MALFORMED[damaged]
    damage(folder)
    with pytest.raises(InvalidInputError, match=complaint):
        opened(folder)


IN_USE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another's image": (
        records(_2=packed(9.0, grey_png(1))),
        r"record 2 has the label 9, but record 1, of the same .* has 0",
    ),
    "not an image": (records(_2=packed(0.0, b"GIF89a")), r"train\.rec: record 2 is not a JPEG, PNG or PGM image"),
    "half an image": (records(_2=packed(0.0, PEOPLE[0][1][:60])), r"train\.rec: record 2 cannot be read"),
    "no image": (records(_2=packed(0.0)), r"train\.rec: record 2 is not a JPEG, PNG or PGM image"),
}


@pytest.mark.parametrize("damaged", IN_USE)
def test_a_malformed_image_is_refused_when_it_is_read(tmp_path: Path, damaged: str) -> None:
    damage, complaint = IN_USE[damaged]
    damage(tmp_path)
    dataset = opened(tmp_path)
    assert len(dataset.images("person-000002")) == 2  # the others can be used
    with pytest.raises(InvalidInputError, match=complaint):
        dataset.images("person-000000")


def test_a_file_cut_short_is_refused_where_it_ends(tmp_path: Path) -> None:
    folder = write_records(tmp_path, with_identities(PEOPLE))
    cut(folder)
    with pytest.raises(InvalidInputError, match=r"byte \d+: record 9 claims 32 bytes, but the file ends at byte \d+"):
        opened(folder)


def test_parts_are_padded_to_four_bytes(tmp_path: Path) -> None:
    record = packed(3.0, b"abcdefg")
    first, last = record[:25], record[25:]
    (tmp_path / "train.rec").write_bytes(
        MAGIC + struct.pack("<I", 1 << 29 | 25) + first + bytes(3) + MAGIC + struct.pack("<I", 3 << 29 | 6) + last + bytes(2)
    )
    (tmp_path / "train.idx").write_text("0\t0\n")
    (read,) = RecordFile(tmp_path / "train.rec", tmp_path / "train.idx").read([0])
    assert read.image == b"a" + MAGIC + b"bcdefg"


def test_parts_that_never_end_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordio_file, "MAX_BYTES", 100)
    folder = write_records(tmp_path, {0: packed(0.0, (b"abcd" + MAGIC) * 20)})
    file = RecordFile(folder / "train.rec", folder / "train.idx")
    with pytest.raises(InvalidInputError, match="byte 0: record 0 is longer than the 100 bytes that a photograph may have"):
        list(file.read([0]))


def test_ranges_that_a_label_cannot_hold_exactly_are_refused(tmp_path: Path) -> None:
    first = (1 << 24) + 2
    images = {number: packed(0.0, grey_png(1)) for number in (1, 2)}
    identities = {number: packed([1.0, 3.0]) for number in (first, first + 1)}
    folder = write_records(tmp_path, {0: packed([float(first), float(first + 2)]), **images, **identities})
    with pytest.raises(InvalidInputError, match="record 0 names record 16777220, but a label cannot tell numbers above"):
        opened(folder)


def test_an_image_that_the_index_lacks_is_named(tmp_path: Path) -> None:
    folder = write_records(tmp_path, with_identities(PEOPLE))
    lines = (folder / "train.idx").read_text().splitlines(keepends=True)
    (folder / "train.idx").write_text("".join(line for line in lines if not line.startswith("2\t")))
    with pytest.raises(InvalidInputError, match=r"train\.rec: there is no record 2 in its index"):
        opened(folder).images("person-000000")


def test_opening_reads_no_image(tmp_path: Path) -> None:
    folder = write_records(tmp_path, with_identities([[b"not an image"] * 2, *PEOPLE]))
    assert torch.equal(opened(folder).images("person-000003"), opened(folder).images("person-000003"))
