"""Randomness and arithmetic that give the same bits every time.

Nothing here draws from torch's global generator: every draw has a generator of its own, seeded by what it is for (the
plan's seed, the round, the client), so it does not matter which process makes it, or what that process did before.
"""

from __future__ import annotations

import hashlib

import torch


def use_deterministic_torch(threads: int) -> None:
    """Make torch's results depend on nothing but its inputs, in this process.

    Call it once, before the first tensor operation. The thread count is part of the arithmetic: it decides how sums are
    split, so two processes agree to the bit only at the same ``threads``. Denormal numbers are flushed to zero, because
    they slow a nearly converged network down many times; where they are flushed must not differ between processes either.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    # As `use_deterministic_algorithms(True)`, which imports all of torch's compiler besides: a second for each process, and
    # a hundred megabytes that processes do not share.
    torch.set_deterministic_debug_mode("error")
    # The deterministic mode also overwrites fresh memory, to show reads of it. That costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def derive_seed(*parts: str | int) -> int:
    """A seed of 63 bits from what it is for: SHA-256 over the parts and their types, so that 1 and "1" differ."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: str | int) -> torch.Generator:
    """A generator seeded by `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(*parts))
