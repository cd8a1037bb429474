"""Which images of a set the steps of a training see, drawn by a generator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def drawn_batches(images: int, size: int, steps: int, draws: torch.Generator) -> Iterator[Tensor]:
    """The numbers (size,), int64, of the images of each of ``steps`` steps; ``size`` is at most ``images``.

    The batches are cut from a sequence of permutations, so every image is used before any image is used again.
    """
    remaining_n = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(remaining_n) < size:
            remaining_n = torch.cat([remaining_n, torch.randperm(images, generator=draws)])
        yield remaining_n[:size]
        remaining_n = remaining_n[size:]
