"""A client shares keys in no round that is easier to unmask than its plan promises."""

from __future__ import annotations

import pytest

from fedface_core.domain.plan import Plan
from fedface_core.secure_aggregation.errors import RevealRefusedError
from fedface_core.secure_aggregation.shard_round import ShardRound
from fedface_core.secure_aggregation.terms import check_terms
from loadtest.bench.masked_group import MaskedGroup


def masked_plan(rounds: int = 8, **masks: str | float) -> Plan:
    return Plan.model_validate(
        {
            "split": {"clients": 256, "test": 2},
            "data": {"dataset": "synthetic"},
            "model": {"centring": False},
            "cohort": {"size": 16, "shard_size": 256},
            "strategy": "gaussian-negatives",
            "secure_aggregation": masks,
            "rounds": rounds,
        }
    )


PLAN = masked_plan(against="lying")
ROUND = MaskedGroup.of(16, PLAN.mask_graph(16), minimum=11).shard_round


def changed(**changes: int) -> ShardRound:
    return ShardRound.model_validate(ROUND.model_dump() | changes)


def test_the_round_of_the_plan_is_taken_and_one_with_a_larger_minimum() -> None:
    check_terms(PLAN, ROUND)
    check_terms(PLAN, changed(minimum=12))


@pytest.mark.parametrize("easier", [{"threshold": 2}, {"signers": 0}, {"degree": 14, "threshold": 10}])
def test_a_round_with_another_graph_is_refused(easier: dict[str, int]) -> None:
    with pytest.raises(RevealRefusedError, match=r"by its plan a shard of this size has GraphParameters\(degree=15, thre"):
        check_terms(PLAN, changed(**easier))


def test_a_smaller_sum_is_refused() -> None:
    with pytest.raises(RevealRefusedError, match="would unmask a sum of 10 updates, and its plan none below 11"):
        check_terms(PLAN, changed(minimum=10))


def test_a_long_run_has_larger_graphs_for_the_same_chance() -> None:
    short, long = (masked_plan(rounds=rounds).mask_graph(256) for rounds in (1, 100_000))
    assert (long.degree, long.threshold) > (short.degree, short.threshold) > (92, 44)
