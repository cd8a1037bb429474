"""A share of a number of things, as plans give it."""

from __future__ import annotations

from math import ceil


def share_of(share: float, whole: int) -> int:
    """``share`` × ``whole``, rounded up. Float error does not count: 0.15 × 20 gives 3."""
    return ceil(round(share * whole, 9))
