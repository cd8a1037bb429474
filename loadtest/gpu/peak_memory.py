"""The most memory of a GPU that something takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from fedface_core.domain.device_kinds import CUDA, DeviceKind


@dataclass
class PeakMemory:
    """The most that torch had allocated at once in a block, in bytes beyond what it had before; None on a CPU."""

    bytes: int | None = None


@contextmanager
def peak_memory(device: DeviceKind) -> Iterator[PeakMemory]:
    """A block whose peak memory is known at its end.

    What CUDA itself takes, and free memory that torch keeps, come on top.
    """
    peak = PeakMemory()
    if device != CUDA:
        yield peak
        return
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    yield peak
    torch.cuda.synchronize()
    peak.bytes = torch.cuda.max_memory_allocated() - before
