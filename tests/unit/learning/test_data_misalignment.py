"""Misaligned photographs: the transform is a similarity within its bounds, and belongs to the photograph alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fedface_core.domain.plan import DataPlan
from fedface_learning.data import FaceDataset, ImageSize, open_dataset
from fedface_learning.data.misalignment import Misalignment

SQUARE = ImageSize(92, 92, 1)


def orl(size: ImageSize = SQUARE, **options: float) -> FaceDataset:
    return open_dataset(DataPlan.model_validate({"dataset": "orl", **options}), size, 40)


@given(st.floats(0.05, 0.3), st.integers(0, 2**32), st.text(max_size=8), st.sampled_from([(0, 0), (3, 8)]))
def test_it_is_a_similarity_within_its_bounds(most: float, seed: int, name: str, corner: tuple[int, int]) -> None:
    # A photograph that says at each pixel where it is: its brightness is its column, or its row.
    columns = np.tile(np.arange(240, dtype=np.float32), (240, 1))
    box = (90 + corner[0], 90 + corner[1], 150 + corner[0], 150 + corner[1])
    misalignment = Misalignment(most, seed)
    x_HW, y_HW = (
        np.array(misalignment.crop(Image.fromarray(np.ascontiguousarray(plane)), box, name), np.float64)
        for plane in (columns, columns.T)
    )
    places = np.array([(column, row, 1.0) for row in range(60) for column in range(60)])
    (xx, xy), (yx, yy), _ = np.linalg.lstsq(places, np.stack([x_HW.ravel(), y_HW.ravel()], axis=1), rcond=None)[0]
    size, turn = 1 / math.hypot(xx, xy), math.atan2(yx, xx)
    # Pillow's bicubic interpolation bends a slope by up to a tenth of a pixel.
    assert (xx, yx) == pytest.approx((yy, -xy), abs=0.02)
    assert abs(size - 1) <= most + 0.02
    assert abs(turn) <= most + 0.02
    moved = np.array([x_HW.mean(), y_HW.mean()]) - (np.array(box[:2]) + 29.5)
    assert np.abs(moved).max() <= most * 60 + 0.2


def test_misalignments_fill_their_bounds() -> None:
    drawn = np.array([Misalignment(0.2, 0)._draw("s1", str(image)) for image in range(200)])
    assert np.abs(drawn).max() <= 0.2
    assert (drawn.max(axis=0) > 0.18).all()
    assert (drawn.min(axis=0) < -0.18).all()
    assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.2


def test_next_to_none_is_the_plain_crop() -> None:
    moved, plain = orl(misalignment=1e-6).images("s3").int(), orl().images("s3").int()
    assert (moved - plain).abs().max() <= 1


def test_each_photograph_has_its_own_and_the_seed_changes_it() -> None:
    images = orl(misalignment=0.1).images("s3")
    assert torch.equal(images, orl(misalignment=0.1).images("s3"))
    assert torch.equal(images[:4], orl(misalignment=0.1, images_per_identity=4).images("s3"))
    assert not torch.equal(images, orl(misalignment=0.1, seed=1).images("s3"))
    misalignment = Misalignment(0.1, 0)
    assert len({misalignment._draw(person, image) for person in ("s1", "s2") for image in ("1.pgm", "2.pgm")}) == 4


def test_the_same_in_colour_and_at_other_resolutions() -> None:
    grey = orl(misalignment=0.2).images("s9")
    colour = orl(ImageSize(92, 92, 3), misalignment=0.2).images("s9")
    assert torch.equal(colour[:, 1], grey[:, 0])
    half = orl(ImageSize(46, 46, 1), misalignment=0.2).images("s9").float()
    assert (torch.nn.functional.avg_pool2d(grey.float(), 2) - half).abs().mean() < 3


def test_the_photograph_goes_on_beyond_its_edges(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    for name in ("1.png", "2.png"):
        Image.new("L", (40, 30), 130).save(tmp_path / "ann" / name)
    data = DataPlan(dataset="folder", folder=str(tmp_path), misalignment=0.5)
    images = open_dataset(data, ImageSize(20, 20, 1), 1).images("ann")
    assert images.min() == images.max() == 130
