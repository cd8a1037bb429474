"""Augmentation of training images: at random they are mirrored, moved, changed in tone, made coarse, and partly covered.

Every machine gets equal bytes. What changes pixels takes and gives uint8, sums in integers, and computes each pixel from few
numbers by additions, multiplications and divisions only, which IEEE 754 rounds in one way; there is no power, exponential or
sine, which processors round differently. Images are changed on the device where they are, and every number is drawn on the
CPU, so a GPU draws alike. What is drawn for an image depends on the seed, the step and the image's place in
its batch, and on no other image.

Suffixes of tensor names: N images, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_core.domain.plan.augmentation import StrongAugmentationPlan
from fedface_learning.data.image_changes import (
    blurred,
    brightened,
    contrasted,
    covered,
    flipped,
    gamma_corrected,
    reduced,
    shifted,
)
from fedface_learning.device import moved
from fedface_learning.seeding import generator


def augment(
    images_NCHW: Tensor, seed: int, step: int, plan: StrongAugmentationPlan, *, first: int = 0, batch: int | None = None
) -> Tensor:
    """Augment the images of a training step, uint8, as ``plan`` says; the result has their shape.

    It depends on nothing but the images, the plan, ``seed`` and ``step``. If the plan changes nothing, the images are
    returned as they are. A plan that does nothing but flip and shift also takes normalised pixels, and keeps their dtype.
    If the images are a part of a batch of ``batch`` images, from its place ``first`` on, they become what they become in the
    whole batch.
    """
    device = images_NCHW.device
    count = len(images_NCHW) if batch is None else batch
    own = slice(first, first + len(images_NCHW))

    def factors(spread: float, purpose: str) -> Tensor:
        """A factor for each image (N,), float32, uniform from 1 − ``spread`` to 1 + ``spread``."""
        uniform_N = torch.rand(count, generator=generator(seed, purpose, step))[own]
        return moved(1 + spread * (2 * uniform_N - 1), device)

    if plan.flip:
        flipped_N = torch.rand(count, generator=generator(seed, "flip", step))[own] < 0.5
        images_NCHW = flipped(images_NCHW, moved(flipped_N, device))
    if plan.shift:
        draws = generator(seed, "shift", step)
        down_N1, across_N1 = torch.randint(-plan.shift, plan.shift + 1, (2, count, 1), generator=draws)[:, own]
        images_NCHW = shifted(images_NCHW, moved(down_N1, device), moved(across_N1, device))
    if plan.contrast:
        images_NCHW = contrasted(images_NCHW, factors(plan.contrast, "contrast"))
    if plan.brightness:
        images_NCHW = brightened(images_NCHW, factors(plan.brightness, "brightness"))
    if plan.gamma:
        images_NCHW = gamma_corrected(images_NCHW, factors(plan.gamma, "gamma"))
    if plan.reduction > 1:
        parts_N = torch.randint(1, plan.reduction + 1, (count,), generator=generator(seed, "reduction", step))[own]
        images_NCHW = reduced(images_NCHW, parts_N)
    if plan.blur:
        passes_N = torch.randint(0, plan.blur + 1, (count,), generator=generator(seed, "blur", step))[own]
        images_NCHW = blurred(images_NCHW, passes_N)
    if plan.erased:
        uniform_N3 = torch.rand(count, 3, generator=generator(seed, "erased", step))[own]
        images_NCHW = _partly_covered(images_NCHW, plan, uniform_N3)
    return images_NCHW


def _partly_covered(images_NCHW: Tensor, plan: StrongAugmentationPlan, uniform_N3: Tensor) -> Tensor:
    """Cover images by a patch. The uniform numbers are the chance, and the patch's place down and across."""
    _, _, height, width = images_NCHW.shape
    rows, columns = (max(1, round(plan.erased_side * side)) for side in (height, width))
    chance_N, down_N, across_N = uniform_N3.unbind(dim=1)
    # A number below 1 times a whole number can round up to it: hence the minimum.
    top_N = (down_N * (height - rows + 1)).long().clamp(max=height - rows)
    left_N = (across_N * (width - columns + 1)).long().clamp(max=width - columns)
    device = images_NCHW.device
    covered_N = moved(chance_N < plan.erased, device)
    return covered(images_NCHW, covered_N, moved(top_N, device), moved(left_N, device), (rows, columns))
