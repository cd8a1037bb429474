"""The camera: exposure, white balance, grey, noise and blur of a plain surface and of an edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fedface_learning.data import ImageSize
from fedface_learning.data.synthetic.camera import photograph
from fedface_learning.data.synthetic.canvas import Canvas
from fedface_learning.data.synthetic.draws import generator_for
from fedface_learning.data.synthetic.scene import Scene, draw_scenes

SIZE = ImageSize(40, 30, 3)


def plane(value: float) -> NDArray[np.float32]:
    return np.full((1, 1, 1), value, np.float32)


@pytest.fixture
def scene() -> Scene:
    """A camera that adds nothing."""
    neutral = {"warmth": 0.0, "exposure": 1.0, "contrast": 1.0, "noise": 0.0, "blur": 0.0}
    return replace(draw_scenes([generator_for(0)]), **{name: plane(value) for name, value in neutral.items()})


def taken(scene: Scene, colour: tuple[float, float, float] = (0.25, 0.25, 0.25), channels: int = 3) -> NDArray[np.uint8]:
    """The photograph (channels, H, W) of a plain surface, whose right half is black."""
    canvas = Canvas(SIZE, scene)
    canvas.paint(np.ones_like(canvas.u_Nhw), colour)
    canvas.light_Nhw[:, :, 15:] = 0.0
    (image_CHW,) = photograph(canvas, scene, channels, [generator_for(1)])
    return np.asarray(image_CHW, np.uint8)


def test_linear_light_becomes_a_picture_by_the_square_root(scene: Scene) -> None:
    image_CHW = taken(scene, (1.0, 0.25, 0.0))
    assert image_CHW.dtype == np.uint8
    assert image_CHW[:, 20, 5].tolist() == [255, 128, 0]
    assert image_CHW[:, 20, 25].tolist() == [0, 0, 0]


def test_exposure_warmth_and_contrast(scene: Scene) -> None:
    assert taken(replace(scene, exposure=plane(2.0)))[0, 0, 0] == 180  # 255 · √(2 · ¼)
    warm_C = taken(replace(scene, warmth=plane(0.1)))[:, 0, 0]
    assert warm_C[0] > warm_C[1] > warm_C[2]
    dull_CHW = taken(replace(scene, contrast=plane(0.8)))
    assert (dull_CHW[0, 0, 0], dull_CHW[0, 0, 29]) == (117, 15)  # ⅘ of 127.5 and of 0, and ⅕ of 76.5


def test_grey_is_the_weighted_sum_of_the_colours(scene: Scene) -> None:
    (grey_HW,) = taken(scene, (1.0, 0.25, 0.0), channels=1)
    assert grey_HW[20, 5] == round(0.299 * 255 + 0.587 * 127.5)


def test_noise_has_its_standard_deviation_and_no_mean(scene: Scene) -> None:
    noise_HW = taken(replace(scene, noise=plane(0.04)))[0, :, :15].astype(np.float64) - 127.5
    assert noise_HW.std() == pytest.approx(0.04 * 255, rel=0.1)
    assert noise_HW.mean() == pytest.approx(0.0, abs=1.5)


def test_blur_spreads_an_edge_and_keeps_plain_surfaces(scene: Scene) -> None:
    image_CHW = taken(replace(scene, blur=plane(1.5 / 40))).astype(np.float64)  # 1.5 pixels
    assert (image_CHW[0, 20, 0], image_CHW[0, 20, 29]) == (128, 0)
    slope_W = -np.diff(image_CHW[0, 20])
    places_W = np.arange(len(slope_W))
    middle = (slope_W * places_W).sum() / slope_W.sum()
    variance = (slope_W * (places_W - middle) ** 2).sum() / slope_W.sum()
    assert variance == pytest.approx(1.5**2, rel=0.1)
