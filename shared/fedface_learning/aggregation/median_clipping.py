"""Clipping by the median (ADR 30): where the updates of a round are clipped, and which partials that changes.

The median is that of all updates of the round, so it is known only when every shard is folded. A shard whose updates are all
within the bound is summed already as it must be. Only a shard with an update beyond the bound is folded once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median_low

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.aggregation import MedianClippingPlan


def clips_by_median(plan: Plan) -> bool:
    """Whether a training round of the plan clips its updates by the median of their norms."""
    return isinstance(plan.aggregation.clipping, MedianClippingPlan)


def median_bound(plan: Plan, norms: Mapping[str, float]) -> float | None:
    """The norm at which a round's updates are clipped. ``norms`` is client → norm, of all folded updates.

    None if the plan does not clip by the median, or no update was folded. Of an even number the lower median is taken, so
    that of two updates the larger one does not set its own bound.
    """
    clipping = plan.aggregation.clipping
    if not isinstance(clipping, MedianClippingPlan) or not norms:
        return None
    return clipping.times * median_low(norms.values())


def must_be_clipped(norms: Mapping[str, float], bound: float | None) -> bool:
    """Whether a partial whose folded updates have these ``norms`` has an update beyond the bound."""
    return bound is not None and any(norm > bound for norm in norms.values())
