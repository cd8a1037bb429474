"""Networks and plans of the smallest sizes: a plan's part `model`, or a plan that has it."""

from __future__ import annotations

from typing import Any

from fedface_core.domain.plan import Plan

TINY = {
    "architecture": "spherenet-4",
    "height": 32,
    "width": 32,
    "channels": 1,
    "embedding_size": 16,
    "widths": (4, 8, 8, 8),
}
"""Trains in milliseconds."""
MOBILE = {
    "architecture": "mobilefacenet",
    "height": 32,
    "width": 32,
    "channels": 1,
    "embedding_size": 16,
    "widths": (8, 8, 8),
}
"""Has BatchNorm, and trains in milliseconds."""
SMALL_NETWORK: dict[str, Any] = TINY | {"embedding_size": 4, "widths": [2, 2, 2, 4]}
"""For tests that need a network but do not look at what it learns."""


def small_plan(**changes: Any) -> Plan:
    """A plan with six clients, whose network is `SMALL_NETWORK`, with ``changes``."""
    model = SMALL_NETWORK | changes.pop("model", {})
    return Plan.model_validate({"model": model, "split": {"clients": 6, "test": 2}} | changes)
