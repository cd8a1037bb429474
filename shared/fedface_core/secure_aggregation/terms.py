"""The terms under which a client masks: what the plan promises it, and what it checks before it shares any key.

Whoever says what a shard's round is could say that one share gives a secret, or that a sum of two may be unmasked. So a
client computes the graph itself. Without its key bundle nobody has a share of its secrets, so to check once is enough.
"""

from __future__ import annotations

from fedface_core.domain.mask_graph import GraphParameters
from fedface_core.domain.plan import Plan
from fedface_core.secure_aggregation.errors import RevealRefusedError
from fedface_core.secure_aggregation.shard_round import ShardRound


def check_terms(plan: Plan, shard_round: ShardRound) -> None:
    """Raise `RevealRefusedError` unless a shard's round has the graph of the plan, and the plan's minimum at least."""
    graph = plan.mask_graph(len(shard_round.members))
    offered = GraphParameters(shard_round.degree, shard_round.threshold, shard_round.signers)
    if offered != graph:
        raise RevealRefusedError(f"{shard_round} has {offered}, and by its plan a shard of this size has {graph}")
    least = plan.least_to_unmask(len(shard_round.members))
    if shard_round.minimum < least:
        raise RevealRefusedError(
            f"{shard_round} would unmask a sum of {shard_round.minimum} updates, and its plan none below {least}"
        )
