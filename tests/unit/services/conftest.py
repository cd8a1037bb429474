"""What every test of the services needs: torch as the workers set it, and a few faces on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_learning.seeding import use_deterministic_torch
from support.tiny_run import write_faces


@pytest.fixture(autouse=True, scope="session")
def _deterministic() -> None:
    use_deterministic_torch(1)


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"))
