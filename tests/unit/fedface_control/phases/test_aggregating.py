"""A closed round: the commands that it publishes."""

from __future__ import annotations

import pytest

from fedface_control.phases.aggregating import commands, next_step, round_aggregated
from fedface_control.phases.phase import Snapshot
from fedface_core.domain.commands import (
    Command,
    FoldShard,
    ReduceRound,
)
from fedface_core.domain.facts import RoundAggregated
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.update import accepted_digest
from support.control_rounds import NOW, PLAN, RUN, Control, a_round, a_tally, an_aggregation


def test_a_closed_round_asks_for_the_shards_that_are_not_folded() -> None:
    tally = a_tally(unsettled={0}, accepted={0, 1, 2}, folded={1})
    expected: list[Command] = [FoldShard(run_id=RUN, round=1, shard=shard) for shard in (0, 2)]
    assert commands(PLAN, a_round(RoundPhase.AGGREGATING), tally) == expected


@pytest.mark.parametrize("folded", [{0, 2}, {0, 1, 2}])
def test_once_all_accepted_shards_are_folded_it_asks_for_the_reduction(folded: set[int]) -> None:
    tally = a_tally(accepted={0, 2}, folded=folded)
    assert commands(PLAN, a_round(RoundPhase.AGGREGATING), tally) == [ReduceRound(run_id=RUN, round=1)]


def test_a_round_with_too_few_updates_is_abandoned() -> None:
    control = Control.empty()
    run = control.open()
    closed = control.ledger.load_round(RUN, 0).closed(NOW)
    run = control.ledger.save(run, "round_closed", changed=closed)
    failed = next_step(control.ports, Snapshot(run, closed, control.ledger.tally(RUN, 0)))
    assert failed is not None
    assert failed.failure == "round 0: 0 updates were accepted, fewer than the minimum 3"


def test_an_abandoned_round_says_how_many_updates_came_late() -> None:
    control = Control.empty()
    run = control.open()
    for index in (0, 1, 1):
        control.ledger.record_late(RUN, 0, client_id(index))
    closed = control.ledger.load_round(RUN, 0).closed(NOW)
    run = control.ledger.save(run, "round_closed", changed=closed)
    failed = next_step(control.ports, Snapshot(run, closed, control.ledger.tally(RUN, 0)))
    assert failed is not None
    assert failed.failure == "round 0: 0 updates were accepted, 2 came late; the minimum is 3"


def test_an_average_of_another_accepted_set_is_not_recorded() -> None:
    control = Control.empty()
    run = control.open()
    control.accept(0, 1)
    run = control.ledger.save(run, "round_closed", changed=control.ledger.load_round(RUN, 0).closed(NOW))
    fact = RoundAggregated(run_id=RUN, round=0, accepted_digest="0" * 64, aggregation=an_aggregation())
    assert round_aggregated(control.ports, run, fact) is None
    digest = accepted_digest(control.ledger.accepted(RUN, 0))
    recorded = round_aggregated(control.ports, run, fact.model_copy(update={"accepted_digest": digest}))
    assert recorded is not None
    assert control.ledger.load_round(RUN, 0).aggregation == an_aggregation()
    assert round_aggregated(control.ports, recorded, fact) is None, "it is recorded already"
