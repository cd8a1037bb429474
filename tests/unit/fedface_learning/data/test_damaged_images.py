"""Every image that cannot be used is found, and without the found ones all others can be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedface_core.domain.plan import DataPlan
from fedface_learning.data import ImageSize, damaged_images, open_dataset
from fedface_learning.data.damaged import DamagedImage, write_damaged
from fedface_learning.data.damaged_images import find_damaged
from support.recordio import grey_png, packed, with_identities, write_records

PEOPLE = [[grey_png(10), grey_png(20), grey_png(30)], [grey_png(99)], [grey_png(40), grey_png(50), grey_png(60)]]
SIZE = ImageSize(24, 20, 3)


def checked(data: DataPlan, workers: int = 1) -> tuple[dict[str, str], int]:
    progress: list[tuple[int, int]] = []
    damaged, images = find_damaged(data, lambda done, total: progress.append((done, total)), workers)
    assert progress == [(done, len(progress)) for done in range(1, len(progress) + 1)]
    return {image.name: image.reason for image in damaged}, images


def brightness_without(damaged: dict[str, str], data: DataPlan, tmp_path: Path) -> dict[str, list[int]]:
    write_damaged(tmp_path / "damaged.csv", [DamagedImage(*each) for each in damaged.items()])
    skipping = data.model_copy(update={"skip_damaged": str(tmp_path / "damaged.csv")})
    dataset = open_dataset(skipping, SIZE, 2)
    return {identity: dataset.images(identity)[:, 0, 5, 5].tolist() for identity in dataset.identities}


def cut(record: int, left: int) -> Callable[[dict[int, bytes]], dict[int, bytes]]:
    return lambda records: records | {record: records[record][:left]}


def swapped(**changed: bytes) -> Callable[[dict[int, bytes]], dict[int, bytes]]:
    changes = {int(name[1:]): record for name, record in changed.items()}
    return lambda records: records | changes


RECORDS: dict[str, tuple[Callable[[dict[int, bytes]], dict[int, bytes]], dict[str, str], dict[str, list[int]]]] = {
    "whole": (lambda records: records, {}, {"person-000000": [10, 20, 30], "person-000002": [40, 50, 60]}),
    "half an image": (cut(2, 80), {"2": "cannot be read"}, {"person-000000": [10, 30], "person-000002": [40, 50, 60]}),
    "no image": (
        swapped(_5=packed(2.0)),
        {"5": "record 5 has no image"},
        {"person-000000": [10, 20, 30], "person-000002": [50, 60]},
    ),
    "not even a header": (
        cut(1, 10),
        {"1": "record 1 has 10 bytes"},
        {"person-000000": [20, 30], "person-000002": [40, 50, 60]},
    ),
    "a person is left with one image": (
        swapped(_1=packed(0.0, b"GIF89a"), _3=packed(0.0)),
        {"1": "record 1 is not a", "3": "has no image"},
        {"person-000002": [40, 50, 60]},
    ),
    "another's image": (
        swapped(_6=packed(0.0, grey_png(1))),
        {"6": "record 6 has the label 0, but others"},
        {"person-000000": [10, 20, 30], "person-000002": [40, 60]},
    ),
    "record 0": (cut(0, 10), {"0": "record 0 has 10 bytes"}, {"person-000000": [10, 20, 30], "person-000002": [40, 50, 60]}),
    "an identity record": (
        cut(9, 10),
        {"9": "record 9 has 10 bytes"},
        {"person-000000": [10, 20, 30], "person-000002": [40, 50, 60]},
    ),
}


@pytest.mark.parametrize("case", RECORDS)
def test_damaged_records(tmp_path: Path, case: str) -> None:
    damage, expected, left = RECORDS[case]
    folder = write_records(tmp_path / "set", damage(with_identities(PEOPLE)))
    data = DataPlan(dataset="recordio", folder=str(folder))
    found, images = checked(data)
    assert found.keys() == expected.keys()
    assert all(reason in found[name] for name, reason in expected.items())
    assert images == 7 + ("record" in case)  # a record that cannot be read may be an image
    assert brightness_without(found, data, tmp_path) == left


def test_a_set_whose_download_stopped_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = write_records(tmp_path / "set", with_identities(PEOPLE))
    rec = folder / "train.rec"
    third_last_image = int((folder / "train.idx").read_text().splitlines()[6].split()[1])
    rec.write_bytes(rec.read_bytes()[: third_last_image + 30])
    data = DataPlan(dataset="recordio", folder=str(folder))
    found, _ = checked(data)
    assert list(found) == ["6", "7", "8", "9", "10"]
    assert brightness_without(found, data, tmp_path) == {"person-000000": [10, 20, 30]}


def test_damaged_files(tmp_path: Path) -> None:
    for number, image in enumerate([*PEOPLE[0], PEOPLE[0][0][:60], b""]):
        path = tmp_path / "faces" / "ann" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
    data = DataPlan(dataset="folder", folder=str(tmp_path / "faces"))
    found, images = checked(data)
    assert images == 5
    assert list(found) == ["ann/3.png", "ann/4.png"]
    assert "cannot be read" in found["ann/3.png"]
    assert brightness_without(found, data, tmp_path) == {"ann": [10, 20, 30]}


@pytest.mark.slow
def test_several_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damaged_images, "worth_starting", lambda workers, _items: workers)
    damage, _, _ = RECORDS["a person is left with one image"]
    folder = write_records(tmp_path / "set", damage(with_identities(PEOPLE)))
    data = DataPlan(dataset="recordio", folder=str(folder))
    assert checked(data, workers=2) == checked(data)
