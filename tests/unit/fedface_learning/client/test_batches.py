"""Which images each step sees."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_learning.client.batches import batches, images_in_a_step, uses_all_unaugmented

PIXELS_NCHW = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 1, 4, 4).contiguous()


@pytest.mark.parametrize(("batch_size", "size"), [(None, 6), (4, 4), (6, 6), (100, 6)])
def test_a_step_sees_a_batch_or_all_images(batch_size: int | None, size: int) -> None:
    local = LocalTrainingPlan(batch_size=batch_size)
    assert images_in_a_step(local, 6) == size
    assert {len(batch) for batch in batches(PIXELS_NCHW, local, 3, seed=0)} == {size}
    assert uses_all_unaugmented(local, 6) == (size == 6)
    assert not uses_all_unaugmented(LocalTrainingPlan(batch_size=batch_size, flip=True), 6)
    assert not uses_all_unaugmented(LocalTrainingPlan(batch_size=batch_size, shift=1), 6)


def seen(seed: int) -> list[float]:
    return [
        float(image[0, 0, 0]) for batch in batches(PIXELS_NCHW, LocalTrainingPlan(batch_size=4), 6, seed) for image in batch
    ]


def test_every_image_is_seen_before_any_comes_again_and_batches_run_over_the_ends_of_permutations() -> None:
    images = seen(3)
    assert len(images) == 24
    for first in range(0, 24, 6):
        assert sorted(images[first : first + 6]) == [0, 1, 2, 3, 4, 5]


def test_equal_seeds_draw_equal_batches() -> None:
    assert seen(3) == seen(3) != seen(4)
