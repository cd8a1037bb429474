"""A data set and a network small enough that a whole run takes a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.seeding import generator, use_deterministic_torch


@pytest.fixture(autouse=True, scope="session")
def _deterministic() -> None:
    use_deterministic_torch(1)


class TinyFaces:
    """Each identity is a fixed pattern of 4×4 grey patches; each of its images adds noise. 24 identities × 6 images."""

    name = "tiny"
    identities = tuple(f"person-{index}" for index in range(24))

    def images(self, identity: str) -> Tensor:
        draws = generator("tiny faces", identity)
        pattern = torch.rand(1, 1, 4, 4, generator=draws).repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
        noise = torch.randn(6, 1, 32, 32, generator=draws)
        return (128 + 100 * (pattern - 0.5) + 25 * noise).clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="session")
def tiny_faces() -> TinyFaces:
    return TinyFaces()


@pytest.fixture(scope="session")
def tiny_plan() -> Callable[..., Plan]:
    """A run of 8 clients and 8 test identities on `TinyFaces`, with whatever the test changes."""

    def plan(**changes: Any) -> Plan:
        model = {
            "architecture": "spherenet-4",
            "height": 32,
            "width": 32,
            "channels": 1,
            "embedding_size": 16,
            "widths": [4, 8, 8, 8],
        }
        return Plan.model_validate(
            {
                "model": model | changes.pop("model", {}),
                "split": {"clients": 8, "test": 8},
                "cohort": {"size": 6, "shard_size": 4},
                "local_training": {"steps": 2, "learning_rate": 0.05},
                "rounds": 2,
            }
            | changes
        )

    return plan
