"""InsightFace's packed data sets: both layouts, and why a set is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import FaceDataset, ImageSize, open_dataset
from support.recordio import grey_png, packed, with_identities, write_records

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
    assert dataset.identities == ("person-000000", "person-000002")  # One image makes no genuine pair.
    assert dataset.images("person-000002").shape == (2, 3, 24, 20)
    assert brightness(dataset, "person-000000") == [10, 20, 30]
    assert brightness(dataset, "person-000002") == [40, 50]


def test_without_identity_records_labels_group_the_images(tmp_path: Path) -> None:
    records = {number: record for number, record in with_identities(PEOPLE).items() if 1 <= number <= 6}
    shuffled = {number: records[number] for number in (5, 1, 6, 3, 2, 4)}
    for first in (0, 1):  # Such records are numbered from 0 or from 1.
        folder = write_records(tmp_path / str(first), {number - 1 + first: record for number, record in shuffled.items()})
        dataset = opened(folder)
        assert dataset.identities == ("person-000000", "person-000002")
        assert [brightness(dataset, identity) for identity in dataset.identities] == [[10, 20, 30], [40, 50]]


def test_a_label_of_several_numbers_is_the_first(tmp_path: Path) -> None:
    several = {number: packed([float(number // 2), 7.0, 9.0], grey_png(number)) for number in range(4)}
    assert brightness(opened(write_records(tmp_path, several)), "person-000001") == [2, 3]


def test_images_per_identity_misalignment_and_low_resolution_apply(tmp_path: Path) -> None:
    folder = write_records(tmp_path, with_identities(PEOPLE))
    assert brightness(opened(folder, images_per_identity=2), "person-000000") == [10, 20]
    assert brightness(opened(folder, misalignment=0.2, low_resolution=8), "person-000000") == [10, 20, 30]


def test_unknown_identity(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="'recordio' has no identity 'person-000001' among its 2"):
        opened(write_records(tmp_path, with_identities(PEOPLE))).images("person-000001")


def records(**changed: bytes) -> Callable[[Path], object]:
    """Packs the set again with some records changed: ``_6=…``."""
    changes = {int(name[1:]): record for name, record in changed.items()}
    return lambda folder: write_records(folder, with_identities(PEOPLE) | changes)


MALFORMED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda folder: (folder / "train.idx").unlink(), r"there is no .*train\.idx; 'recordio' needs a folder"),
    "no records": (lambda folder: (folder / "train.rec").unlink(), r"there is no .*train\.rec; 'recordio' needs a folder"),
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
    "not an image": (records(_2=packed(0.0, b"GIF89a")), r"train\.rec: record 2 is not an image of a known kind"),
    "half an image": (records(_2=packed(0.0, PEOPLE[0][1][:60])), r"train\.rec: record 2 cannot be read"),
    "no image": (records(_2=packed(0.0)), r"train\.rec: record 2 is not an image of a known kind"),
}


@pytest.mark.parametrize("damaged", IN_USE)
def test_a_malformed_image_is_refused_when_it_is_read(tmp_path: Path, damaged: str) -> None:
    damage, complaint = IN_USE[damaged]
    damage(tmp_path)
    dataset = opened(tmp_path)
    assert len(dataset.images("person-000002")) == 2  # The other images can be used.
    with pytest.raises(InvalidInputError, match=complaint):
        dataset.images("person-000000")


def test_ranges_that_a_label_cannot_hold_exactly_are_refused(tmp_path: Path) -> None:
    first = (1 << 24) + 2
    images = {number: packed(0.0, grey_png(1)) for number in (1, 2)}
    identities = {number: packed([1.0, 3.0]) for number in (first, first + 1)}
    folder = write_records(tmp_path, {0: packed([float(first), float(first + 2)]), **images, **identities})
    with pytest.raises(InvalidInputError, match="record 0 names record 16777220, but a label cannot tell numbers above"):
        opened(folder)


def test_opening_reads_no_image(tmp_path: Path) -> None:
    folder = write_records(tmp_path, with_identities([[b"not an image"] * 2, *PEOPLE]))
    assert torch.equal(opened(folder).images("person-000003"), opened(folder).images("person-000003"))
