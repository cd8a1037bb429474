"""The smallest network that a plan can ask for, for tests that need one but do not look at what it learns."""

from __future__ import annotations

from typing import Any

from fedface_core.domain.plan import Plan

SMALL_NETWORK: dict[str, Any] = {
    "architecture": "spherenet-4",
    "height": 32,
    "width": 32,
    "channels": 1,
    "embedding_size": 4,
    "widths": [2, 2, 2, 4],
}


def small_plan(**changes: Any) -> Plan:
    """A plan with six clients, whose network is the small one, with ``changes``."""
    model = SMALL_NETWORK | changes.pop("model", {})
    return Plan.model_validate({"model": model, "split": {"clients": 6, "test": 2}} | changes)
