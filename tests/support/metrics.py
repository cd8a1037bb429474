"""Reads counters of this process, which every test in it increases: compare before and after."""

from __future__ import annotations

from prometheus_client import REGISTRY


def counter(name: str, **labels: str) -> float:
    """The counter ``fedface_<name>_total`` with these labels; 0 if nothing was counted yet."""
    return REGISTRY.get_sample_value(f"fedface_{name}_total", labels) or 0.0
