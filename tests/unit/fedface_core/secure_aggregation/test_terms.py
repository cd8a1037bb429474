"""A client shares keys in no round that is easier to unmask than its plan promises."""

from __future__ import annotations

import pytest

from fedface_core.secure_aggregation.errors import RevealRefusedError
from fedface_core.secure_aggregation.shard_round import ShardRound
from fedface_core.secure_aggregation.terms import MaskTerms
from loadtest.bench.masked_group import MaskedGroup

TERMS = MaskTerms(against="lying", corrupt=0.2, dropout=0.3, graphs=100)
ROUND = MaskedGroup.of(16, TERMS.graph(16), minimum=8).shard_round


def changed(**changes: int) -> ShardRound:
    return ShardRound.model_validate(ROUND.model_dump() | changes)


def test_the_round_of_the_plan_is_taken_and_one_with_a_larger_minimum() -> None:
    TERMS.check(ROUND)
    TERMS.check(changed(minimum=10))


@pytest.mark.parametrize("easier", [{"threshold": 2}, {"signers": 0}, {"degree": 14, "threshold": 10}])
def test_a_round_with_another_graph_is_refused(easier: dict[str, int]) -> None:
    with pytest.raises(RevealRefusedError, match=r"by its plan a shard of this size has GraphParameters\(degree=15, thre"):
        TERMS.check(changed(**easier))


def test_a_smaller_sum_is_refused() -> None:
    with pytest.raises(RevealRefusedError, match="would unmask a sum of 7 updates, and its plan none below 8"):
        TERMS.check(changed(minimum=7))


def test_a_long_run_has_larger_graphs_for_the_same_chance() -> None:
    curious = {"against": "curious", "corrupt": 0.2, "dropout": 0.3}
    short, long = (MaskTerms.model_validate(curious | {"graphs": graphs}).graph(256) for graphs in (1, 10_000))
    assert (short.degree, short.threshold) == (92, 44)
    assert (long.degree, long.threshold) > (short.degree, short.threshold)
