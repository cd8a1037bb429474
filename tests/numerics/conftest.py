"""A data set and a network small enough that a whole run takes a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fedface_core.domain.plan import Plan
from fedface_learning.seeding import use_deterministic_torch
from support.patterned_faces import PatternedFaces


@pytest.fixture(autouse=True, scope="session")
def _deterministic() -> None:
    use_deterministic_torch(1)


@pytest.fixture(scope="session")
def tiny_faces() -> PatternedFaces:
    """24 identities × 6 images."""
    return PatternedFaces(24)


@pytest.fixture(scope="session")
def tiny_plan() -> Callable[..., Plan]:
    """A run of 8 clients and 8 test identities on `tiny_faces`, with whatever the test changes."""

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
