"""Which plans let the process that trains clients add up their updates (ADR 42)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedface_core.domain.plan.strategy import IN_PROCESS
from fedface_core.domain.plan.update_encoding import Float32Plan

if TYPE_CHECKING:
    from fedface_core.domain.plan.plan import Plan


def why_not_combined(plan: Plan) -> list[str]:
    """What acts on single updates in a run of the plan, so that they cannot be combined, each with its field of the plan."""
    reasons = {
        f"strategy: {plan.strategy.name!r} uploads nothing": plan.strategy.name in IN_PROCESS,
        "aggregation.mode is asynchronous": plan.aggregation.is_asynchronous,
        "aggregation.clipping acts on single updates": plan.aggregation.clipping is not None,
        f"update_encoding: {plan.update_encoding.name} encodes single updates": plan.update_encoding != Float32Plan(),
        f"strategy: with {plan.strategy.name!r} each client keeps what it has uploaded": plan.only_sums,
        "devices: a simulated device delivers by itself": plan.devices.simulated,
    }
    return [reason for reason, holds in reasons.items() if holds]
