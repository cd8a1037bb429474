"""Augmentation: which images come out, how often, and by which seed."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.plan.augmentation import StrongAugmentationPlan
from fedface_learning.data.augmentation import augment
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.seeding import generator

only = StrongAugmentationPlan.only
IMAGES_NCHW = torch.arange(4 * 3 * 5 * 6, dtype=torch.uint8).reshape(4, 3, 5, 6)


def alone(**fields: float) -> StrongAugmentationPlan:
    """The augmentation that does what the fields say, and nothing else."""
    return only(flip=False, shift=0).model_copy(update=fields)


def faces(count: int, height: int = 56, width: int = 48) -> torch.Tensor:
    """Images (N, 3, H, W), uint8, of numbers that are drawn."""
    return torch.randint(0, 256, (count, 3, height, width), generator=generator("faces"), dtype=torch.uint8)


def test_neither_flip_nor_shift_leaves_the_images_alone() -> None:
    assert augment(IMAGES_NCHW, 0, 0, only(flip=False, shift=0)) is IMAGES_NCHW


@pytest.mark.parametrize("flip", [False, True])
def test_each_image_is_moved_as_a_whole_and_its_edge_fills_what_is_empty(flip: bool) -> None:
    seen_NCHW = augment(IMAGES_NCHW, 3, 7, only(flip=flip, shift=2))
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
    seen_HW = augment(one_pixel_NCHW, 0, 0, only(flip=True, shift=1)).float().mean(dim=(0, 1))
    expected_HW = torch.zeros(7, 7)
    expected_HW[2:5, 1:4] += 0.5 / 9
    expected_HW[2:5, 3:6] += 0.5 / 9
    torch.testing.assert_close(seen_HW, expected_HW, rtol=0, atol=0.02)


def test_seed_and_step_alone_decide() -> None:
    first = augment(IMAGES_NCHW, 1, 5, only(flip=True, shift=3))
    torch.rand(3)
    assert torch.equal(first, augment(IMAGES_NCHW, 1, 5, only(flip=True, shift=3)))
    assert not torch.equal(first, augment(IMAGES_NCHW, 1, 6, only(flip=True, shift=3)))
    assert not torch.equal(first, augment(IMAGES_NCHW, 2, 5, only(flip=True, shift=3)))


def test_a_part_of_a_batch_becomes_what_it_becomes_in_the_whole() -> None:
    plan = StrongAugmentationPlan(name="strong", gamma=0.4, reduction=3, blur=2)
    images_NCHW = faces(7)
    whole_NCHW = augment(images_NCHW, 1, 5, plan)
    parts = [augment(images_NCHW[first:last], 1, 5, plan, first=first, batch=7) for first, last in ((0, 3), (3, 6), (6, 7))]
    assert torch.equal(torch.cat(parts), whole_NCHW)
    assert not torch.equal(augment(images_NCHW[3:6], 1, 5, plan), whole_NCHW[3:6])


EVERYTHING = {"gamma": 0.4, "reduction": 3, "blur": 2}
SINGLE: dict[str, dict[str, float]] = {
    "contrast": {"contrast": 0.5},
    "brightness": {"brightness": 0.5},
    "gamma": {"gamma": 0.5},
    "reduction": {"reduction": 4},
    "blur": {"blur": 3},
    "erased": {"erased": 1.0},
}


@pytest.mark.parametrize("fields", SINGLE.values(), ids=SINGLE)
def test_each_change_is_a_field_of_its_own_and_keeps_shape_and_bytes(fields: dict[str, float]) -> None:
    images_NCHW = faces(16)
    seen_NCHW = augment(images_NCHW, 0, 0, alone(**fields))
    assert (seen_NCHW.shape, seen_NCHW.dtype) == (images_NCHW.shape, torch.uint8)
    assert not torch.equal(seen_NCHW, images_NCHW)
    assert not alone(**fields).is_none
    assert not torch.equal(seen_NCHW, augment(images_NCHW, 0, 1, alone(**fields)))


def test_without_strength_nothing_is_changed() -> None:
    images_NCHW = faces(4)
    nothing = alone(contrast=0, brightness=0, gamma=0, reduction=1, blur=0, erased=0)
    assert nothing.is_none
    assert augment(images_NCHW, 0, 0, nothing) is images_NCHW


def test_an_image_is_changed_alike_whatever_is_beside_it() -> None:
    """But for the shift, whose numbers are drawn for the whole batch; and no image's pixels touch another's."""
    images_NCHW = faces(8)
    plan = StrongAugmentationPlan(name="strong", shift=0).model_copy(update=EVERYTHING)
    whole_NCHW = augment(images_NCHW, 3, 4, plan)
    assert torch.equal(whole_NCHW[:5], augment(images_NCHW[:5], 3, 4, plan))
    other_NCHW = images_NCHW.clone()
    other_NCHW[5:] = 0
    moving = plan.model_copy(update={"shift": 3})
    assert torch.equal(augment(images_NCHW, 3, 4, moving)[:5], augment(other_NCHW, 3, 4, moving)[:5])


def test_the_bytes_are_these_on_every_machine() -> None:
    plan = StrongAugmentationPlan(name="strong").model_copy(update=EVERYTHING)
    seen_NCHW = augment(faces(64), 1, 2, plan)
    assert sha256_hex(seen_NCHW.numpy().tobytes()) == "0020feeef14597b5a2a65c8758db048b16ed00e00272e98a6b21bcef8f47e1c0"


def test_layout_and_threads_change_no_byte() -> None:
    plan = StrongAugmentationPlan(name="strong").model_copy(update=EVERYTHING)
    images_NCHW = faces(16)
    expected_NCHW = augment(images_NCHW, 1, 2, plan)
    assert torch.equal(augment(images_NCHW.contiguous(memory_format=torch.channels_last), 1, 2, plan), expected_NCHW)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert torch.equal(augment(images_NCHW, 1, 2, plan), expected_NCHW)
    finally:
        torch.set_num_threads(threads)


def test_half_of_the_images_have_a_grey_patch_of_a_third_of_a_side_anywhere() -> None:
    white_NCHW = torch.full((2000, 1, 12, 9), 255, dtype=torch.uint8)
    seen_NCHW = augment(white_NCHW, 0, 0, alone(erased=0.5))
    is_grey_NHW = (seen_NCHW == 128).squeeze(1)
    assert set(is_grey_NHW.any(dim=2).sum(dim=1).tolist()) == {0, 4}
    assert set(is_grey_NHW.any(dim=1).sum(dim=1).tolist()) == {0, 3}
    assert set(is_grey_NHW.sum(dim=(1, 2)).tolist()) == {0, 12}, "it is a rectangle, within the image"
    assert float(is_grey_NHW.any(dim=2).any(dim=1).float().mean()) == pytest.approx(0.5, abs=0.04)
    shares_HW = is_grey_NHW.float().mean(dim=0)
    assert float(shares_HW[0, 0]) == pytest.approx(0.5 / (9 * 7), abs=0.01), "every corner is as likely"
    assert float(shares_HW[5, 4]) == pytest.approx(0.5 * 4 / 9 * 3 / 7, abs=0.03)


@pytest.mark.parametrize(("field", "spread"), [("brightness", 0.25), ("contrast", 0.3)])
def test_factors_are_drawn_evenly_around_1(field: str, spread: float) -> None:
    """Of an image that is 50 and 150, brightness scales the mean and contrast the distance."""
    images_NCHW = torch.tensor([50, 150], dtype=torch.uint8).view(1, 1, 1, 2).expand(3000, 1, 1, 2)
    seen_NCHW = augment(images_NCHW, 0, 0, alone(**{field: spread})).float()
    dark_N, light_N = seen_NCHW.flatten(1).unbind(dim=1)
    factors_N = (dark_N + light_N) / 200 if field == "brightness" else (light_N - dark_N) / 100
    assert float(factors_N.min()) == pytest.approx(1 - spread, abs=0.02)
    assert float(factors_N.max()) == pytest.approx(1 + spread, abs=0.02)
    assert float(factors_N.mean()) == pytest.approx(1, abs=0.01)
    assert float(factors_N.quantile(0.25)) == pytest.approx(1 - spread / 2, abs=0.02)
    if field == "contrast":
        assert float((seen_NCHW.mean(dim=(1, 2, 3)) - 100).abs().max()) <= 0.5, "the mean stays"
