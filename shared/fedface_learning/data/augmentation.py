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
    moved,
    reduced,
)
from fedface_learning.seeding import generator


def augment(images_NCHW: Tensor, seed: int, step: int, plan: StrongAugmentationPlan) -> Tensor:
    """Augment the images of a training step, uint8, as ``plan`` says; the result has their shape.

    It depends on nothing but the images, the plan, ``seed`` and ``step``. If the plan changes nothing, the images are
    returned as they are. A plan that does nothing but flip and shift also takes normalised pixels, and keeps their dtype.
    """
    count = len(images_NCHW)
    device = images_NCHW.device
    if plan.flip:
        images_NCHW = flipped(images_NCHW, (torch.rand(count, generator=generator(seed, "flip", step)) < 0.5).to(device))
    if plan.shift:
        draws = generator(seed, "shift", step)
        down_N1, across_N1 = torch.randint(-plan.shift, plan.shift + 1, (2, count, 1), generator=draws)
        images_NCHW = moved(images_NCHW, down_N1.to(device), across_N1.to(device))
    if plan.contrast:
        images_NCHW = contrasted(images_NCHW, _factors(plan.contrast, images_NCHW, generator(seed, "contrast", step)))
    if plan.brightness:
        images_NCHW = brightened(images_NCHW, _factors(plan.brightness, images_NCHW, generator(seed, "brightness", step)))
    if plan.gamma:
        images_NCHW = gamma_corrected(images_NCHW, _factors(plan.gamma, images_NCHW, generator(seed, "gamma", step)))
    if plan.reduction > 1:
        parts_N = torch.randint(1, plan.reduction + 1, (count,), generator=generator(seed, "reduction", step))
        images_NCHW = reduced(images_NCHW, parts_N)
    if plan.blur:
        passes_N = torch.randint(0, plan.blur + 1, (count,), generator=generator(seed, "blur", step))
        images_NCHW = blurred(images_NCHW, passes_N)
    if plan.erased:
        images_NCHW = _partly_covered(images_NCHW, plan, generator(seed, "erased", step))
    return images_NCHW


def _factors(spread: float, images_NCHW: Tensor, draws: torch.Generator) -> Tensor:
    """A factor for each image (N,), float32, where the images are, uniform from 1 − ``spread`` to 1 + ``spread``."""
    factors_N = 1 + spread * (2 * torch.rand(len(images_NCHW), generator=draws) - 1)
    return factors_N.to(images_NCHW.device)


def _partly_covered(images_NCHW: Tensor, plan: StrongAugmentationPlan, draws: torch.Generator) -> Tensor:
    count, _, height, width = images_NCHW.shape
    rows, columns = (max(1, round(plan.erased_side * side)) for side in (height, width))
    chance_N, down_N, across_N = torch.rand(count, 3, generator=draws).unbind(dim=1)
    # A number below 1 times a whole number can round up to it: hence the minimum.
    top_N = (down_N * (height - rows + 1)).long().clamp(max=height - rows)
    left_N = (across_N * (width - columns + 1)).long().clamp(max=width - columns)
    device = images_NCHW.device
    covered_N = (chance_N < plan.erased).to(device)
    return covered(images_NCHW, covered_N, top_N.to(device), left_N.to(device), (rows, columns))
