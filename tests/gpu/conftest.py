"""Tests that compute on a GPU. Without one they are skipped, and say so."""

from __future__ import annotations

import pytest

from fedface_core.domain.device_kinds import DeviceKind
from fedface_learning.device import has_gpu


@pytest.fixture(scope="session")
def device() -> DeviceKind:
    """The kind of device under test."""
    if not has_gpu():
        pytest.skip("this machine has no GPU that this build of torch reaches by CUDA")
    return "cuda"
