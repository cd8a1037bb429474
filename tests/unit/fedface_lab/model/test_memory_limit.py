"""Within a limit no more memory is given; after it the process is as it was."""

from __future__ import annotations

import resource

import pytest
import torch

from fedface_lab.model.memory_limit import memory_limit


def test_more_than_the_limit_is_not_given() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with memory_limit(2**28):
        bytearray(2**20)
        with pytest.raises(MemoryError):
            bytearray(2**29)
        with pytest.raises(RuntimeError, match="allocate memory"):
            torch.empty(2**29, dtype=torch.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
