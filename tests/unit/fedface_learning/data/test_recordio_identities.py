"""Identities are labels: ranges are used where they are right, and the images' own labels where not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from fedface_learning.data.recordio_file import Record, RecordFile
from fedface_learning.data.recordio_identities import images_by_identity
from support.recordio import packed, with_identities, write_records

PEOPLE = [[b"a"] * 3, [b"b"], [b"c"] * 2]  # Records 1 to 3, 4, and 5 to 6; then the identity records 7 to 9.
BY_LABEL = {0: [1, 2, 3], 1: [4], 2: [5, 6]}
EXACT = 1 << 24


def grouped(folder: Path, records: dict[int, bytes], skipped: Sequence[int] = ()) -> dict[int, list[int]]:
    write_records(folder, records)
    file = RecordFile(folder / "train.rec", folder / "train.idx", skipped)
    return {number: list(images) for number, images in images_by_identity(file).items()}


def packed_by(labels: Sequence[float], first: int = 1) -> dict[int, bytes]:
    """The set as a packer writes it that begins a new range wherever the label changes: unsorted sets have several."""
    images = {first + place: packed([label, 0.0], b"x") for place, label in enumerate(labels)}
    begins = [first + place for place in range(len(labels)) if place == 0 or labels[place] != labels[place - 1]]
    end = first + len(labels)
    ranges = list(zip(begins, [*begins[1:], end], strict=True))
    identities = {end + place: packed([float(begin), float(stop)]) for place, (begin, stop) in enumerate(ranges)}
    return {0: packed([float(end), float(end + len(ranges))]), **images, **identities}


def test_a_sets_ranges_are_its_identities_and_few_headers_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [[b"x"] * 50 for _ in range(4)]
    seen = 0
    read = RecordFile.read

    def counting(file: RecordFile, numbers: Iterable[int], *, labels_only: bool) -> Iterator[Record]:
        nonlocal seen
        for record in read(file, numbers, labels_only=labels_only):
            seen += 1
            yield record

    monkeypatch.setattr(RecordFile, "read", counting)
    assert grouped(tmp_path, with_identities(people)) == {
        person: list(range(1 + 50 * person, 51 + 50 * person)) for person in range(4)
    }
    assert seen == 1 + 4 + 2 * 4  # record 0, the identity records, and the ends of each range


def test_ranges_of_one_label_are_one_identity(tmp_path: Path) -> None:
    assert grouped(tmp_path, packed_by([5, 5, 3, 3, 5, 5, 4, 3])) == {0: [1, 2, 5, 6], 1: [3, 4, 8], 3: [7]}


def test_labels_that_are_all_the_same_say_nothing(tmp_path: Path) -> None:
    records = with_identities(PEOPLE) | {number: packed(0.0, b"x") for number in range(1, 7)}
    assert grouped(tmp_path, records) == BY_LABEL


@pytest.mark.parametrize(
    "useless",
    [
        {0: packed([0.0, 0.0])},
        {0: packed([7.5, 10.0])},
        {0: packed([float("nan")] * 2)},
        {0: packed([float("inf")] * 2)},
        {0: packed([7.0, 20.0])},
        {0: packed([5.0, 10.0])},
        {0: packed([8.0, 10.0])},
        {8: packed([5.0, 4.0])},
        {8: packed([0.0, 0.0])},
        {7: packed([0.0, 0.0]), 8: packed([0.0, 0.0]), 9: packed([0.0, 0.0])},
        {8: packed([4.0, 6.0])},
        {8: packed([3.0, 5.0])},
        {7: packed([1.0, 3.0]), 8: packed([3.0, 5.0])},
        {9: packed([5.0, 17.0])},
    ],
)
def test_ranges_that_are_no_use_leave_the_labels(tmp_path: Path, useless: dict[int, bytes]) -> None:
    assert grouped(tmp_path, with_identities(PEOPLE) | useless) == BY_LABEL


@pytest.mark.parametrize("lost", [[0], [8], [7, 8, 9], [0, 7, 8, 9]])
def test_if_an_identity_record_is_lost_the_labels_are_left(tmp_path: Path, lost: list[int]) -> None:
    """Skipped, because it is damaged, or not in the index, whose end is cut off."""
    assert grouped(tmp_path / "skipped", with_identities(PEOPLE), lost) == BY_LABEL
    kept = {number: record for number, record in with_identities(PEOPLE).items() if number not in lost}
    assert grouped(tmp_path / "lost", kept) == BY_LABEL


def test_skipped_images_are_left_out_of_their_ranges(tmp_path: Path) -> None:
    assert grouped(tmp_path, with_identities(PEOPLE), [1, 4, 6]) == {0: [2, 3], 2: [5]}


def large(identities: int, at: int) -> dict[int, bytes]:
    """A set like Glint360K: record numbers go beyond 2²⁴, so float32 labels round some ranges."""
    images = {
        number: packed([float(label), 0.0], b"x")
        for label in range(identities)
        for number in range(at + 3 * label, at + 3 * label + 3)
    }
    # The ranges below, of which only the first and the last image are here, all of the person 900.
    images |= {1: packed(900.0, b"x"), at - 1: packed(900.0, b"x")}
    end = at + 3 * identities
    records = [(1, at), *((at + 3 * label, at + 3 * label + 3) for label in range(identities))]
    ranges = {end + place: packed([float(begin), float(stop)]) for place, (begin, stop) in enumerate(records)}
    return {0: packed([float(end), float(end + len(records))]), **images, **ranges}


@pytest.mark.parametrize("at", [EXACT - 14, EXACT - 9, EXACT - 7, EXACT - 6, EXACT - 5, EXACT - 1, EXACT])
def test_of_a_set_too_large_for_exact_ranges_the_rest_is_grouped_by_label(tmp_path: Path, at: int) -> None:
    """Wherever the border of 2²⁴ is: in the images, in an identity, among the identity records."""
    expected = {label: [at + 3 * label + image for image in range(3)] for label in range(4)}
    assert grouped(tmp_path, large(4, at)) == expected | {900: [1, at - 1]}


def test_a_lost_range_of_a_large_set_leaves_the_labels(tmp_path: Path) -> None:
    at = EXACT - 6
    records = large(4, at)
    expected = {label: [at + 3 * label + image for image in range(3)] for label in range(4)} | {900: [1, at - 1]}
    assert grouped(tmp_path / "skipped", records, [at + 12]) == expected
    del records[at + 12]
    assert grouped(tmp_path / "absent", records) == expected


def test_one_label_on_both_sides_of_the_border_is_one_identity(tmp_path: Path) -> None:
    """An unsorted set whose numbers go beyond 2²⁴, in which each label has ranges on both sides."""
    labels = [float(place // 3 % 3) for place in range(27)]
    first = EXACT - 13
    records = packed_by(labels, first)
    records[first + 27] = packed([float(first), float(first + 3)])
    expected = {label: [first + place for place in range(27) if labels[place] == label] for label in (0, 1, 2)}
    assert grouped(tmp_path, records) == expected
