"""The simulated device: it holds one identity's photographs, which never leave it."""

from __future__ import annotations

from functools import lru_cache

from torch import Tensor

from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import DataPlan, Plan, SplitPlan
from fedface_core.learning.data import FaceDataset, ImageSize, open_dataset, split_identities


def photographs(plan: Plan, client: str) -> Tensor:
    """The client's images, uint8 (n, C, H, W). `InvalidInputError` where the plan's data set cannot give them."""
    dataset, identities = _open(plan.data, ImageSize.of(plan.model), plan.split)
    return dataset.images(identities[client_index(client)])[: plan.data.images_per_client]


@lru_cache(maxsize=4)
def _open(data: DataPlan, size: ImageSize, split: SplitPlan) -> tuple[FaceDataset, tuple[str, ...]]:
    dataset = open_dataset(data, size, split.identities)
    return dataset, split_identities(dataset.identities, split).clients
