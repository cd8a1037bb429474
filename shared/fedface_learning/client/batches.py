"""Which images each step of a client's local training sees. N images of C×H×W pixels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_learning.data.augmentation import augment
from fedface_learning.seeding import generator


def images_in_a_step(local: LocalTrainingPlan, images: int) -> int:
    """The number of images in each step: the batch size of the plan, or all ``images`` of the client if there are fewer."""
    return images if local.batch_size is None else min(local.batch_size, images)


def uses_all_unaugmented(local: LocalTrainingPlan, images: int) -> bool:
    """Whether each step sees all ``images`` of a client, and none of them is augmented."""
    return images_in_a_step(local, images) == images and not local.flip and not local.shift


def batches(pixels_NCHW: Tensor, local: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    """The batch (n, C, H, W) of each of ``steps`` steps, drawn and augmented as the plan says. Equal seeds give equal bits.

    If a batch is smaller than N, batches are cut from a sequence of seeded permutations, so every image is used before any
    image is used again.
    """
    for step, batch_NCHW in enumerate(_unaugmented(pixels_NCHW, local, steps, seed)):
        yield augment(batch_NCHW, seed, step, flip=local.flip, shift=local.shift)


def _unaugmented(pixels_NCHW: Tensor, local: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    images = len(pixels_NCHW)
    size = images_in_a_step(local, images)
    if size == images:
        yield from [pixels_NCHW] * steps
        return
    draws = generator(seed, "batches")
    remaining_n = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(remaining_n) < size:
            remaining_n = torch.cat([remaining_n, torch.randperm(images, generator=draws)])
        yield pixels_NCHW[remaining_n[:size]]
        remaining_n = remaining_n[size:]
