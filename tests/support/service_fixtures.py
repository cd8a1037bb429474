"""Fixtures for tests of the services. A ``conftest.py`` imports the ones that its folder needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_learning.seeding import use_deterministic_torch
from support.tiny_run import write_faces


@pytest.fixture(autouse=True, scope="session")
def deterministic_torch() -> None:
    """Set torch as the workers set it: deterministic, with one thread."""
    use_deterministic_torch(1)


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of eight identities with two images each, enough for `support.tiny_run.tiny_plan`."""
    return write_faces(tmp_path_factory.mktemp("faces"))
