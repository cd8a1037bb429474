"""Changes of images: what each one does to pixels, by numbers that are given."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fedface_learning.data.image_changes import (
    GREY,
    blurred,
    brightened,
    contrasted,
    covered,
    gamma_corrected,
    reduced,
)
from fedface_learning.seeding import generator

FACES_NCHW = torch.randint(0, 256, (5, 3, 13, 11), generator=generator("faces"), dtype=torch.uint8)
ALL_TONES_NCHW = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


@pytest.mark.parametrize(
    ("change", "neutral"),
    [(contrasted, 1.0), (brightened, 1.0), (gamma_corrected, 1.0), (reduced, 1), (blurred, 0)],
)
@pytest.mark.parametrize("images_NCHW", [FACES_NCHW, ALL_TONES_NCHW])
def test_a_neutral_number_leaves_every_pixel(
    images_NCHW: Tensor, change: Callable[[Tensor, Tensor], Tensor], neutral: float
) -> None:
    assert torch.equal(change(images_NCHW, torch.full((len(images_NCHW),), neutral)), images_NCHW)


@pytest.mark.parametrize("change", [contrasted, brightened, gamma_corrected])
def test_tones_stay_between_black_and_white_and_keep_their_order(change: Callable[[Tensor, Tensor], Tensor]) -> None:
    for factor in (0.01, 0.5, 1.99):
        tones = change(ALL_TONES_NCHW, torch.tensor([factor])).flatten().int()
        assert (tones.min() >= 0) & (tones.max() <= 255)
        assert (tones.diff() >= 0).all()


def test_contrast_is_about_the_images_own_mean() -> None:
    images_NCHW = torch.tensor([[100, 120, 140], [10, 20, 60]], dtype=torch.uint8).view(2, 1, 1, 3)
    found = contrasted(images_NCHW, torch.tensor([0.5, 1.5])).view(2, 3).tolist()
    assert found == [[110, 120, 130], [0, 15, 75]]


def test_gamma_keeps_black_and_white_and_moves_the_middle() -> None:
    tones = gamma_corrected(ALL_TONES_NCHW.expand(2, 1, 16, 16), torch.tensor([0.5, 1.5])).flatten(1)
    assert tones[:, [0, 255]].tolist() == [[0, 255], [0, 255]]
    # 128/255 is 0.50196: 0.50196/(0.50196 + k·0.49804) · 255.
    assert tones[:, 128].tolist() == [170, 102]


def test_a_blur_spreads_a_point_by_the_binomial_filter_and_keeps_what_is_even() -> None:
    point_NCHW = torch.zeros(2, 1, 7, 7, dtype=torch.uint8)
    point_NCHW[:, 0, 3, 3] = 160
    once_HW, twice_HW = blurred(point_NCHW, torch.tensor([1, 2]))[:, 0].int()
    assert once_HW[2:5, 2:5].tolist() == [[10, 20, 10], [20, 40, 20], [10, 20, 10]]
    assert int(once_HW.sum()) == 160
    assert twice_HW[3, 1:6].tolist() == [4, 15, 23, 15, 4], "22.5 is rounded up"
    even_NCHW = torch.full((1, 3, 5, 4), 77, dtype=torch.uint8)
    assert torch.equal(blurred(even_NCHW, torch.tensor([16])), even_NCHW)


@pytest.mark.parametrize("parts", [2, 3, 5, 16])
def test_a_reduced_image_keeps_its_size_and_is_made_of_the_means_of_blocks(parts: int) -> None:
    seen_NCHW = reduced(FACES_NCHW, torch.full((5,), parts))
    assert (seen_NCHW.shape, seen_NCHW.dtype) == (FACES_NCHW.shape, torch.uint8)
    assert seen_NCHW.float().std() < FACES_NCHW.float().std()
    even_NCHW = torch.full((1, 3, 13, 11), 201, dtype=torch.uint8)
    assert torch.equal(reduced(even_NCHW, torch.tensor([parts])), even_NCHW)
    ramp_NCHW = (torch.arange(120, dtype=torch.uint8) * 2).expand(1, 1, 120, 120)
    inner = slice(parts, 120 - 2 * parts)
    assert (reduced(ramp_NCHW, torch.tensor([parts])).int() - ramp_NCHW.int())[..., inner].abs().max() <= 1


def test_the_middle_of_an_odd_block_is_the_blocks_mean() -> None:
    seen_NCHW = reduced(FACES_NCHW[:, :, :12, :9], torch.full((5,), 3))
    means_NCHW = torch.nn.functional.avg_pool2d(FACES_NCHW[:, :, :12, :9].double(), 3)
    assert (seen_NCHW[:, :, 1::3, 1::3] - means_NCHW).abs().max() <= 0.5 + 1e-9


def test_each_image_gets_its_own_number() -> None:
    mixed_NCHW = reduced(FACES_NCHW, torch.tensor([1, 2, 3, 2, 1]))
    for index, parts in enumerate([1, 2, 3, 2, 1]):
        assert torch.equal(mixed_NCHW[index], reduced(FACES_NCHW[index : index + 1], torch.tensor([parts]))[0])


def test_a_patch_covers_its_rectangle_and_nothing_else() -> None:
    seen_NCHW = covered(FACES_NCHW[:2], torch.tensor([True, False]), torch.tensor([10, 0]), torch.tensor([0, 0]), (3, 2))
    expected_CHW = FACES_NCHW[0].clone()
    expected_CHW[:, 10:13, 0:2] = GREY
    assert torch.equal(seen_NCHW[0], expected_CHW)
    assert torch.equal(seen_NCHW[1], FACES_NCHW[1])
