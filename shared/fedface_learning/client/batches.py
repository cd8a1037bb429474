"""Which images each step of a client's local training sees. N images of C×H×W pixels."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_learning.data.augmentation import augment
from fedface_learning.data.drawn_batches import drawn_batches
from fedface_learning.device import moved
from fedface_learning.seeding import generator


def images_in_a_step(local: LocalTrainingPlan, images: int) -> int:
    """The number of images in each step: the batch size of the plan, or all ``images`` of the client if there are fewer."""
    return images if local.batch_size is None else min(local.batch_size, images)


def uses_all_unaugmented(local: LocalTrainingPlan, images: int) -> bool:
    """Whether each step sees all ``images`` of a client, and none of them is augmented."""
    return images_in_a_step(local, images) == images and local.augmentations.is_none


def batches(images_NCHW: Tensor, local: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    """The batch (n, C, H, W), uint8, of each of ``steps`` steps, drawn and augmented as the plan says, by the seed alone.

    If a batch is smaller than N, batches are cut from a sequence of seeded permutations, so every image is used before any
    image is used again.
    """
    for step, batch_NCHW in enumerate(_unaugmented(images_NCHW, local, steps, seed)):
        yield augment(batch_NCHW, seed, step, local.augmentations)


def _unaugmented(images_NCHW: Tensor, local: LocalTrainingPlan, steps: int, seed: int) -> Iterator[Tensor]:
    images = len(images_NCHW)
    size = images_in_a_step(local, images)
    if size == images:
        yield from [images_NCHW] * steps
        return
    for chosen_n in drawn_batches(images, size, steps, generator(seed, "batches")):
        yield images_NCHW[moved(chosen_n, images_NCHW.device)]
