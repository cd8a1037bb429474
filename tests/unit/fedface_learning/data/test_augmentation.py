"""Augmentation: which images come out, how often, and by which seed."""

from __future__ import annotations

import pytest
import torch

from fedface_learning.data.augmentation import augment

IMAGES_NCHW = torch.arange(4 * 3 * 5 * 6, dtype=torch.uint8).reshape(4, 3, 5, 6)


def test_neither_flip_nor_shift_leaves_the_images_alone() -> None:
    assert augment(IMAGES_NCHW, 0, 0, flip=False, shift=0) is IMAGES_NCHW


@pytest.mark.parametrize("flip", [False, True])
def test_each_image_is_moved_as_a_whole_and_its_edge_fills_what_is_empty(flip: bool) -> None:
    seen_NCHW = augment(IMAGES_NCHW, 3, 7, flip=flip, shift=2)
    assert seen_NCHW.dtype == torch.uint8
    places = set()
    for image_CHW, seen_CHW in zip(IMAGES_NCHW, seen_NCHW, strict=True):
        padded_CHW = torch.nn.functional.pad(image_CHW.float(), (2, 2, 2, 2), mode="replicate").byte()
        views = {
            (mirrored, down, across): padded_CHW[:, down : down + 5, across : across + 6]
            for mirrored, padded_CHW in ((False, padded_CHW), (True, padded_CHW.flip(-1)))
            for down in range(5)
            for across in range(5)
        }
        found = [place for place, view_CHW in views.items() if torch.equal(view_CHW, seen_CHW)]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 1
    assert any(mirrored for mirrored, _, _ in places) == flip


def test_all_moves_and_both_sides_are_drawn_evenly() -> None:
    one_pixel_NCHW = torch.zeros(4000, 1, 7, 7, dtype=torch.uint8)
    one_pixel_NCHW[:, :, 3, 2] = 1
    seen_HW = augment(one_pixel_NCHW, 0, 0, flip=True, shift=1).float().mean(dim=(0, 1))
    expected_HW = torch.zeros(7, 7)
    expected_HW[2:5, 1:4] += 0.5 / 9
    expected_HW[2:5, 3:6] += 0.5 / 9
    torch.testing.assert_close(seen_HW, expected_HW, rtol=0, atol=0.02)


def test_seed_and_step_alone_decide() -> None:
    first = augment(IMAGES_NCHW, 1, 5, flip=True, shift=3)
    torch.rand(3)
    assert torch.equal(first, augment(IMAGES_NCHW, 1, 5, flip=True, shift=3))
    assert not torch.equal(first, augment(IMAGES_NCHW, 1, 6, flip=True, shift=3))
    assert not torch.equal(first, augment(IMAGES_NCHW, 2, 5, flip=True, shift=3))
