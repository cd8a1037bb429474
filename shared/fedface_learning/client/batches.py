"""What each step of a client's local training sees of its images. N images of C×H×W."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_learning.data.augmentation import augmented
from fedface_learning.seeding import generator


def images_in_a_step(local: LocalTrainingPlan, images: int) -> int:
    """How many of a client's ``images`` each step sees: a batch as large as the plan says, or all if they are no more."""
    return images if local.batch_size is None else min(local.batch_size, images)


def uses_all_unaugmented(local: LocalTrainingPlan, images: int) -> bool:
    """Whether each step sees all of a client's ``images``, and none of them augmented."""
    return images_in_a_step(local, images) == images and not local.flip and not local.shift


def batches(pixels_NCHW: Tensor, local: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    """The batch of each of ``steps`` steps, drawn and augmented as the plan says; equal bits for an equal ``seed``.

    A batch is all pixels, or a slice of one seeded permutation after another: all images come before any comes again.
    """
    for step, chosen_NCHW in enumerate(_chosen(pixels_NCHW, local, steps, seed)):
        yield augmented(chosen_NCHW, seed, step, flip=local.flip, shift=local.shift)


def _chosen(pixels_NCHW: Tensor, local: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    images = len(pixels_NCHW)
    size = images_in_a_step(local, images)
    if size == images:
        yield from [pixels_NCHW] * steps
        return
    draws = generator(seed, "batches")
    waiting_N = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(waiting_N) < size:
            waiting_N = torch.cat([waiting_N, torch.randperm(images, generator=draws)])
        yield pixels_NCHW[waiting_N[:size]]
        waiting_N = waiting_N[size:]
