"""The simulated device: it holds one identity's photographs, which never leave it."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from torch import Tensor

from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import DataPlan, Plan, SplitPlan
from fedface_learning.data import FaceDataset, ImageSize, RememberedImages, open_dataset, split_identities

_MOST_BYTES: Final = 256 << 20
"""Of each of two data sets that a worker process keeps, which stands for many devices: 10 images of 9,500 clients at 56×48
in grey, or of 700 at 112×96 in colour. A process of that size takes some 400 MB for torch beside."""


def photographs(plan: Plan, client: str) -> Tensor:
    """The client's images, uint8 (n, C, H, W), not to be written to; a device has them at hand in every round.

    `InvalidInputError` where the plan's data set cannot give them.
    """
    dataset, identities = _open(plan.data, ImageSize.of(plan.model), plan.split)
    return dataset.images(identities[client_index(client)])[: plan.data.images_per_client]


@lru_cache(maxsize=2)
def _open(data: DataPlan, size: ImageSize, split: SplitPlan) -> tuple[FaceDataset, tuple[str, ...]]:
    dataset = open_dataset(data, size, split.identities)
    return RememberedImages(dataset, _MOST_BYTES), split_identities(dataset.identities, split).clients
