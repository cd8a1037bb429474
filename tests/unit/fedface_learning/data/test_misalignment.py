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


# Two photographs that say at each pixel where it is: their brightness is its column, and its row.
RAMP = np.tile(np.arange(240, dtype=np.float32), (240, 1))
COLUMNS = Image.fromarray(RAMP)
ROWS = Image.fromarray(np.ascontiguousarray(RAMP.T))
PLACES = np.array([(column, row, 1.0) for row in range(60) for column in range(60)])


def seen(misalignment: Misalignment, left: int, top: int, *name: str) -> tuple[float, float, float, float]:
    """How the 60×60 pixels at (left, top) were misaligned: moved across and down, in widths, larger by, and turned by."""
    box = (left, top, left + 60, top + 60)
    x_HW, y_HW = (np.array(misalignment.crop(photograph, box, *name), np.float64) for photograph in (COLUMNS, ROWS))
    (xx, xy), (yx, yy), _ = np.linalg.lstsq(PLACES, np.stack([x_HW.ravel(), y_HW.ravel()], axis=1), rcond=None)[0]
    # Pillow's bicubic interpolation bends a slope by up to a tenth of a pixel.
    assert (xx, yx) == pytest.approx((yy, -xy), abs=0.02), "not a similarity"
    across = (x_HW.mean() - left - 29.5) / 60
    down = (y_HW.mean() - top - 29.5) / 60
    return across, down, 1 / math.hypot(xx, xy) - 1, math.atan2(yx, xx)


@given(st.floats(0.05, 0.3), st.integers(0, 2**32), st.text(max_size=8), st.sampled_from([(90, 90), (93, 98)]))
def test_it_is_a_similarity_within_its_bounds(bound: float, seed: int, name: str, corner: tuple[int, int]) -> None:
    across, down, size, turn = seen(Misalignment(bound, seed), *corner, name)
    assert max(abs(across), abs(down)) <= bound + 0.2 / 60
    assert max(abs(size), abs(turn)) <= bound + 0.02


def test_misalignments_fill_their_bounds() -> None:
    drawn = np.array([seen(Misalignment(0.2, 0), 90, 90, "s1", str(image)) for image in range(200)])
    assert np.abs(drawn).max() <= 0.2 + 0.01
    assert (drawn.max(axis=0) > 0.18).all()
    assert (drawn.min(axis=0) < -0.18).all()
    assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.2


def test_next_to_none_is_the_plain_crop() -> None:
    moved = orl(misalignment=1e-6).images("s3").int()
    plain = orl().images("s3").int()
    assert (moved - plain).abs().max() <= 1


def test_each_photograph_has_its_own_and_the_seed_changes_it() -> None:
    images = orl(misalignment=0.1).images("s3")
    assert torch.equal(images, orl(misalignment=0.1).images("s3"))
    assert torch.equal(images[:4], orl(misalignment=0.1, images_per_identity=4).images("s3"))
    assert not torch.equal(images, orl(misalignment=0.1, seed=1).images("s3"))
    misalignment = Misalignment(0.1, 0)
    assert len({seen(misalignment, 90, 90, person, image) for person in ("s1", "s2") for image in ("1.pgm", "2.pgm")}) == 4


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
