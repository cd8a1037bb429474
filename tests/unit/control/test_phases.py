"""What each phase of a round asks of the other services follows from the round and its tally alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from fedface_control.proceed import WAITING_PHASES
from fedface_core.domain.commands import (
    Command,
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    ReduceRound,
    TrainClients,
)
from fedface_core.domain.facts import EvaluationSkipped
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, Tally, open_round

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan.model_validate({"split": {"clients": 7}, "cohort": {"shard_size": 3, "quorum": 5, "deadline_seconds": 90}})
EVERYONE = tuple(client_id(index) for index in range(7))


def a_round(phase: RoundPhase = RoundPhase.OPEN, number: int = 1) -> Round:
    return open_round(PLAN, RUN, number, EVERYONE, "c" * 64, NOW).replace(phase=phase)


def a_tally(unsettled: set[int] | None = None, accepted: set[int] | None = None, folded: set[int] | None = None) -> Tally:
    return Tally(
        accepted=0,
        failed=0,
        unsettled=frozenset(client_id(index) for index in unsettled or ()),
        accepted_shards=frozenset(accepted or ()),
        folded_shards=frozenset(folded or ()),
        last_activity=NOW,
    )


def commands_of(plan: Plan, current: Round, tally: Tally) -> Sequence[Command]:
    return WAITING_PHASES[current.phase].commands(plan, current, tally)


def test_an_open_round_asks_the_unsettled_clients() -> None:
    tally = a_tally(unsettled={5, 2})
    train = [TrainClients(run_id=RUN, round=1, clients=(client_id(index),)) for index in (2, 5)]
    enrol = [EnrolClients(run_id=RUN, clients=(client_id(index),)) for index in (2, 5)]
    assert commands_of(PLAN, a_round(), tally) == train
    assert commands_of(PLAN, a_round(number=0), tally) == enrol


def test_a_closed_round_asks_for_the_shards_that_are_not_folded() -> None:
    tally = a_tally(unsettled={0}, accepted={0, 1, 2}, folded={1})
    expected: list[Command] = [FoldShard(run_id=RUN, round=1, shard=shard) for shard in (0, 2)]
    assert commands_of(PLAN, a_round(RoundPhase.AGGREGATING), tally) == expected


@pytest.mark.parametrize("folded", [{0, 2}, {0, 1, 2}])
def test_once_all_accepted_shards_are_folded_it_asks_for_the_reduction(folded: set[int]) -> None:
    tally = a_tally(accepted={0, 2}, folded=folded)
    assert commands_of(PLAN, a_round(RoundPhase.AGGREGATING), tally) == [ReduceRound(run_id=RUN, round=1)]


def test_an_aggregated_round_asks_for_the_evaluation() -> None:
    assert commands_of(PLAN, a_round(RoundPhase.EVALUATING), a_tally()) == [EvaluateModel(run_id=RUN, round=1)]


def test_an_aggregated_round_that_is_not_to_be_scored_asks_control_to_finish_it() -> None:
    skipping = a_round(RoundPhase.EVALUATING).skipping_evaluation()
    skipped = HandleFact(run_id=RUN, fact=EvaluationSkipped(run_id=RUN, round=1))
    assert commands_of(PLAN, skipping, a_tally()) == [skipped]


def test_a_round_that_has_ended_or_waits_for_its_operator_asks_for_nothing() -> None:
    assert set(RoundPhase) - WAITING_PHASES.keys() == {RoundPhase.SUSPENDED, RoundPhase.FINISHED, RoundPhase.ABANDONED}
