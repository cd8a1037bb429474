"""Framing: crop, resolution and colours, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import ImageSize
from fedface_learning.data.framing import Framing, to_image, to_tensor
from fedface_learning.data.misalignment import Misalignment

PIXELS_HW = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
EVERYTHING = slice(None)


@pytest.mark.parametrize(
    ("height", "width", "top_share", "kept"),
    [
        (20, 40, 0.5, (EVERYTHING, slice(10, 30))),
        (40, 20, 0.5, (slice(10, 30), EVERYTHING)),
        (40, 20, 0.7, (slice(14, 34), EVERYTHING)),
        (20, 20, 0.5, (EVERYTHING, EVERYTHING)),
    ],
)
def test_the_crop_has_the_aspect_ratio_of_the_images(
    height: int, width: int, top_share: float, kept: tuple[slice, slice]
) -> None:
    pixels_HW = PIXELS_HW[:height, :width]
    image_CHW = Framing(ImageSize(20, 20, 1), top_share).frame(Image.fromarray(pixels_HW), "ann", "1.png")
    assert image_CHW.dtype == torch.uint8
    np.testing.assert_array_equal(image_CHW[0].numpy(), pixels_HW[kept])


def test_a_photograph_of_a_single_pixel_fills_the_image() -> None:
    image_CHW = Framing(ImageSize(5, 7, 1)).frame(Image.new("L", (1, 1), 80), "ann", "1.png")
    assert (image_CHW == 80).all()


def test_images_are_resized_bicubically() -> None:
    image_CHW = Framing(ImageSize(15, 15, 1)).frame(Image.fromarray(PIXELS_HW), "ann", "1.png")
    expected_HW = np.array(Image.fromarray(PIXELS_HW).resize((15, 15), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(image_CHW[0].numpy(), expected_HW)


def test_low_resolution_goes_by_way_of_few_pixels() -> None:
    image_CHW = Framing(ImageSize(40, 40, 1), low_resolution=8).frame(Image.fromarray(PIXELS_HW), "ann", "1.png")
    few = Image.fromarray(PIXELS_HW).resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(image_CHW[0].numpy(), np.array(few.resize((40, 40), Image.Resampling.BICUBIC)))


def test_low_resolution_must_be_low() -> None:
    with pytest.raises(InvalidInputError, match=r"low_resolution is 92, but it must be below the height .* 92"):
        Framing.of(DataPlan(low_resolution=92), ImageSize(92, 92, 1))


def test_colour_stays_colour_and_grey_is_their_weighted_sum() -> None:
    photograph = Image.new("RGB", (20, 24), (200, 100, 50))
    colour_CHW = Framing(ImageSize(24, 20, 3)).frame(photograph, "ann", "1.png")
    grey_CHW = Framing(ImageSize(24, 20, 1)).frame(photograph, "ann", "1.png")
    assert colour_CHW[:, 5, 5].tolist() == [200, 100, 50]
    assert grey_CHW[:, 5, 5].tolist() == [round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)]


def test_a_plans_misalignment_belongs_to_the_photographs_name() -> None:
    framing = Framing.of(DataPlan(misalignment=0.3, seed=5), ImageSize(40, 40, 1))
    photograph = Image.fromarray(PIXELS_HW)
    expected = Misalignment(0.3, 5).crop(photograph, (0, 0, 40, 40), "ann", "1.png")
    assert torch.equal(framing.frame(photograph, "ann", "1.png"), to_tensor(expected))
    assert not torch.equal(framing.frame(photograph, "ann", "2.png"), to_tensor(expected))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_tensor_becomes_an_image_and_comes_back(channels: int) -> None:
    pixels_CHW = torch.arange(channels * 20, dtype=torch.uint8).reshape(channels, 4, 5)
    image = to_image(pixels_CHW)
    assert (image.size, image.mode) == ((5, 4), "L" if channels == 1 else "RGB")
    assert torch.equal(to_tensor(image), pixels_CHW)
