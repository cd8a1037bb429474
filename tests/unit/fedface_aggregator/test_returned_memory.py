"""An aggregator's process gives the memory of large blocks back when they are freed, whatever lies between them."""

from __future__ import annotations

import sys

import psutil
import pytest

from fedface_aggregator.returned_memory import return_freed_memory
from loadtest.bench.aggregator_process import run_in_process

BLOCK = 4 * 2**20
PIN = 300_000
"""Too large for the gaps that the heap has by then, so each lies behind a block."""
BLOCKS = 20


def kept_megabytes(returns: bool) -> float:
    """What a process keeps of blocks that it has freed, with smaller ones between them that are still in use."""
    if returns:
        return_freed_memory()
    large = [bytearray(2 * BLOCK)]
    large.clear()  # from now on, glibc by itself takes blocks of this size from the heap
    before = psutil.Process().memory_info().rss
    small = []
    for _ in range(BLOCKS):
        large.append(bytearray(b"x") * BLOCK)
        small.append(bytearray(b"x") * PIN)
    large.clear()
    kept = psutil.Process().memory_info().rss - before
    assert len(small) == BLOCKS
    return (float(kept) - BLOCKS * PIN) / 1e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have other allocators than glibc's")
def test_freed_blocks_are_returned() -> None:
    all_of_them = BLOCKS * BLOCK / 1e6
    assert run_in_process(kept_megabytes, returns=False) > all_of_them / 2, "what this test is about does not happen here"
    assert run_in_process(kept_megabytes, returns=True) < all_of_them / 20
