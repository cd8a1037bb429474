"""Photographs that several processes decode are those of one, in its order; and an error names the photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import FaceDataset, ImageSize, open_dataset, reading
from fedface_learning.data.reading import images_in_order
from support.recordio import grey_png, with_identities, write_records

SIZE = ImageSize(24, 20, 3)


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def processes_are_worth_their_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "worth_starting", lambda workers, _items: workers)


def folder_of(tmp_path: Path) -> FaceDataset:
    draws = np.random.default_rng(0)
    for person in range(5):
        (tmp_path / f"p{person}").mkdir()
        for number in range(2 + person):
            pixels = draws.integers(0, 256, (40, 30, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"p{person}" / f"{number}.jpg")
    return open_dataset(DataPlan(dataset="folder", folder=str(tmp_path)), SIZE, 5)


def records_of(tmp_path: Path) -> FaceDataset:
    people = [[grey_png(10 * person + image) for image in range(3)] for person in range(4)]
    write_records(tmp_path, with_identities(people))
    return open_dataset(DataPlan(dataset="recordio", folder=str(tmp_path)), SIZE, 4)


@pytest.mark.parametrize("opened", [folder_of, records_of])
def test_two_processes_read_what_one_reads(opened: object, tmp_path: Path) -> None:
    dataset: FaceDataset = opened(tmp_path)  # type: ignore[operator]
    alone = list(images_in_order(dataset, dataset.identities))
    together = list(images_in_order(dataset, dataset.identities, workers=2))
    assert [len(images) for images in alone] == [len(dataset.images(identity)) for identity in dataset.identities]
    assert [images.tobytes() for images in together] == [images.tobytes() for images in alone]


def test_an_unusable_photograph_is_named_with_its_reason(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path)
    (tmp_path / "p2" / "1.jpg").write_bytes(b"no photograph")
    with pytest.raises(DataError, match=r"p2/1\.jpg is not an image of a known kind") as raised:
        list(images_in_order(dataset, dataset.identities, workers=2))
    assert raised.value.reason is DataReason.PHOTOGRAPH_UNUSABLE
    assert "p2" not in raised.value.public
