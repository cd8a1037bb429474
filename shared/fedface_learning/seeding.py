"""Randomness and arithmetic that give equal bits every time.

FedFace never draws from torch's global generator. Each draw has its own generator, whose seed follows from the purpose
(the plan's seed, the round, the client). So a draw depends neither on the process that makes it nor on earlier draws.
"""

from __future__ import annotations

import hashlib

import torch


def use_deterministic_torch(threads: int) -> None:
    """Make torch's results in this process depend on nothing but its inputs.

    Call this function once, before the first tensor operation. The number of threads decides how sums are split, so two
    processes agree to the bit only with equal ``threads``. Denormal numbers are flushed to zero, because they slow a nearly
    converged network down many times; all processes must flush them alike.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    # `use_deterministic_algorithms(True)` has this effect too, but imports torch's whole compiler: that costs each process
    # a second and a hundred megabytes of its own.
    torch.set_deterministic_debug_mode("error")
    # The deterministic mode also fills new memory, to show reads of unset values. That costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def derive_seed(*parts: str | int) -> int:
    """A seed from 0 to 2⁶³ − 1 for the purpose that ``parts`` name: bits of the SHA-256 over the parts.

    The parts' types and limits count: 1 and "1" give different seeds, and so do (1, 2) and (12,).
    """
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: str | int) -> torch.Generator:
    """A new generator of torch for the purpose that ``parts`` name, with the seed that `derive_seed` gives."""
    return torch.Generator().manual_seed(derive_seed(*parts))
