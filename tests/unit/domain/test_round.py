"""A round moves by its table and by nothing else; what a phase asks for follows from the round and its tally."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.cohort import draw_cohort
from fedface_core.domain.commands import Command, EnrolClients, EvaluateModel, FoldShard, ReduceRound, TrainClients
from fedface_core.domain.facts import EvaluationSkipped, RoundAggregated, RoundEvaluated, RoundReady
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.residuals import residuals_after
from fedface_core.domain.results import Aggregation, Scores
from fedface_core.domain.round import (
    TRANSITIONS,
    Round,
    RoundFact,
    RoundPhase,
    Tally,
    abandon,
    advance,
    implied_commands,
    latest_scores,
    open_round,
)

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
PLAN = Plan.model_validate({"split": {"clients": 7}, "cohort": {"shard_size": 3, "quorum": 5, "deadline_seconds": 90}})
EVERYONE = tuple(client_id(index) for index in range(7))

AGGREGATION = Aggregation(
    model_sha256="a" * 64,
    class_embeddings_sha256="b" * 64,
    folded=7,
    images=70,
    uploaded_bytes=700,
    refused={},
    update_norm=None,
    loss_before=None,
    spreadout_loss=0.1,
    mean_off_diagonal_cosine=0.0,
    max_off_diagonal_cosine=0.3,
)
SCORES = Scores(
    tar={"1e-1": 0.9},
    auc=0.95,
    eer=0.1,
    genuine_pairs=10,
    impostor_pairs=100,
    mean_genuine_cosine=0.7,
    mean_impostor_cosine=0.0,
)
FACTS: dict[type[RoundFact], RoundFact] = {
    RoundReady: RoundReady(run_id=RUN, round=1, because="settled"),
    RoundAggregated: RoundAggregated(run_id=RUN, round=1, accepted_digest="d", aggregation=AGGREGATION),
    RoundEvaluated: RoundEvaluated(run_id=RUN, round=1, model_sha256="a" * 64, scores=SCORES),
    EvaluationSkipped: EvaluationSkipped(run_id=RUN, round=1),
}


def a_round(phase: RoundPhase = RoundPhase.OPEN, number: int = 1) -> Round:
    return open_round(PLAN, RUN, number, EVERYONE, "c" * 64, NOW).model_copy(update={"phase": phase})


def a_tally(unsettled: set[int] | None = None, accepted: set[int] | None = None, folded: set[int] | None = None) -> Tally:
    return Tally(
        accepted=0,
        failed=0,
        unsettled=frozenset(client_id(index) for index in unsettled or ()),
        accepted_shards=frozenset(accepted or ()),
        folded_shards=frozenset(folded or ()),
        last_activity=NOW,
    )


@pytest.mark.parametrize(("phase", "kind"), [*product(RoundPhase, FACTS)])
def test_a_fact_moves_the_round_exactly_where_the_table_says(phase: RoundPhase, kind: type[RoundFact]) -> None:
    before = a_round(phase)
    after = advance(before, FACTS[kind], LATER)
    if (phase, kind) in TRANSITIONS:
        assert after.phase is TRANSITIONS[phase, kind]
    else:
        assert after is before


def test_the_table_is_one_path_from_open_to_finished() -> None:
    assert TRANSITIONS[RoundPhase.OPEN, RoundReady] is RoundPhase.AGGREGATING
    assert TRANSITIONS[RoundPhase.AGGREGATING, RoundAggregated] is RoundPhase.EVALUATING
    assert TRANSITIONS[RoundPhase.EVALUATING, RoundEvaluated] is RoundPhase.FINISHED
    assert TRANSITIONS[RoundPhase.EVALUATING, EvaluationSkipped] is RoundPhase.FINISHED
    assert len(TRANSITIONS) == 4


def test_a_round_records_what_each_fact_brought() -> None:
    closed = advance(a_round(), FACTS[RoundReady], LATER)
    assert (closed.closed_at, closed.finished_at) == (LATER, None)
    aggregated = advance(closed, FACTS[RoundAggregated], LATER)
    assert aggregated == closed.model_copy(update={"phase": RoundPhase.EVALUATING, "aggregation": AGGREGATION})
    finished = advance(aggregated, FACTS[RoundEvaluated], LATER)
    assert (finished.scores, finished.finished_at) == (SCORES, LATER)


def test_residuals_are_those_of_the_newest_updates_in_the_model() -> None:
    known = {client_id(0): 1, client_id(1): 2, client_id(2): 2}
    aggregation = AGGREGATION.model_copy(update={"refused": {client_id(1): "not_finite"}})
    third = a_round(number=3).model_copy(update={"residuals": known, "aggregation": aggregation})
    accepted = [client_id(3), client_id(1), client_id(0)]
    assert residuals_after(third, accepted) == {client_id(0): 3, client_id(1): 2, client_id(2): 2, client_id(3): 3}
    assert residuals_after(third, []) == known
    assert residuals_after(a_round(number=0).model_copy(update={"aggregation": AGGREGATION}), accepted) == {}


@pytest.mark.parametrize("phase", [RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING])
def test_a_round_can_be_abandoned_until_it_ends(phase: RoundPhase) -> None:
    abandoned = abandon(a_round(phase), LATER, "too few")
    assert (abandoned.phase, abandoned.finished_at) == (RoundPhase.ABANDONED, LATER)
    assert abandoned.abandoned_because == "too few"
    with pytest.raises(AssertionError):
        abandon(abandoned, LATER, "again")


def test_a_training_round_is_opened_as_planned() -> None:
    opened = a_round()
    assert (opened.phase, opened.opened_at, opened.deadline_at) == (RoundPhase.OPEN, NOW, NOW + timedelta(seconds=90))
    assert (opened.quorum, opened.minimum, opened.shard_size, opened.shards) == (5, 1, 3, 3)


def test_enrolment_waits_for_everybody() -> None:
    assert a_round(number=0).quorum == 7


def test_quorum_and_minimum_never_exceed_a_cohort_that_shrank() -> None:
    plan = Plan.model_validate({"split": {"clients": 7}, "cohort": {"quorum": 5, "minimum": 4}})
    opened = open_round(plan, RUN, 1, EVERYONE[:2], "c" * 64, NOW)
    assert (opened.quorum, opened.minimum) == (2, 2)


@given(clients=st.integers(1, 40), shard_size=st.integers(1, 45))
def test_shards_divide_the_cohort_in_client_order(clients: int, shard_size: int) -> None:
    plan = Plan.model_validate({"split": {"clients": clients}, "cohort": {"shard_size": shard_size}})
    cohort = tuple(client_id(index) for index in range(clients))
    opened = open_round(plan, RUN, 1, cohort, "c" * 64, NOW)
    shards = [opened.shard_members(shard) for shard in range(opened.shards)]
    assert sum(shards, ()) == cohort
    assert all(len(members) == shard_size for members in shards[:-1])
    assert opened.shard_of_each() == {client: shard for shard, members in enumerate(shards) for client in members}


def test_an_open_round_asks_the_unsettled_clients() -> None:
    tally = a_tally(unsettled={5, 2})
    train = [TrainClients(run_id=RUN, round=1, clients=(client_id(index),)) for index in (2, 5)]
    enrol = [EnrolClients(run_id=RUN, clients=(client_id(index),)) for index in (2, 5)]
    assert implied_commands(PLAN, a_round(), tally) == train
    assert implied_commands(PLAN, a_round(number=0), tally) == enrol


def test_a_closed_round_asks_for_the_shards_that_are_not_folded() -> None:
    tally = a_tally(unsettled={0}, accepted={0, 1, 2}, folded={1})
    expected: list[Command] = [FoldShard(run_id=RUN, round=1, shard=shard) for shard in (0, 2)]
    assert implied_commands(PLAN, a_round(RoundPhase.AGGREGATING), tally) == expected


@pytest.mark.parametrize("folded", [{0, 2}, {0, 1, 2}])
def test_once_all_accepted_shards_are_folded_it_asks_for_the_reduction(folded: set[int]) -> None:
    tally = a_tally(accepted={0, 2}, folded=folded)
    assert implied_commands(PLAN, a_round(RoundPhase.AGGREGATING), tally) == [ReduceRound(run_id=RUN, round=1)]


def test_an_aggregated_round_asks_for_the_evaluation() -> None:
    assert implied_commands(PLAN, a_round(RoundPhase.EVALUATING), a_tally()) == [EvaluateModel(run_id=RUN, round=1)]


@pytest.mark.parametrize("phase", [RoundPhase.FINISHED, RoundPhase.ABANDONED])
def test_an_ended_round_asks_for_nothing(phase: RoundPhase) -> None:
    assert implied_commands(PLAN, a_round(phase), a_tally(unsettled={0}, accepted={1})) == []


def test_the_latest_scores_are_those_of_the_newest_evaluated_round() -> None:
    evaluated = a_round(RoundPhase.FINISHED).model_copy(update={"scores": SCORES})
    assert latest_scores([]) is None
    assert latest_scores([a_round()]) is None
    assert latest_scores([a_round(number=0), evaluated, a_round(number=2)]) == (1, SCORES)


@given(
    seed=st.integers(0, 1000),
    number=st.integers(1, 50),
    size=st.integers(1, 30),
    enrolled=st.sets(st.integers(0, 99), min_size=1),
)
def test_a_cohort_is_a_seeded_draw_of_the_right_size_in_client_order(
    seed: int, number: int, size: int, enrolled: set[int]
) -> None:
    plan = Plan.model_validate({"split": {"clients": 100}, "cohort": {"size": size}, "seed": seed})
    clients = tuple(client_id(index) for index in enrolled)
    cohort = draw_cohort(plan, number, clients)
    assert cohort == draw_cohort(plan, number, tuple(reversed(clients))), "whatever order the ledger gives them in"
    assert list(cohort) == sorted(set(cohort))
    assert len(cohort) == min(size, len(clients))
    assert set(cohort) <= set(clients)


def test_every_client_is_drawn_about_as_often() -> None:
    """1,000 rounds of 5 out of 20: each client expects 250, with a standard deviation of 13.7; five of those are allowed."""
    plan = Plan.model_validate({"split": {"clients": 20}, "cohort": {"size": 5}})
    enrolled = tuple(client_id(index) for index in range(20))
    drawn = Counter(client for number in range(1, 1001) for client in draw_cohort(plan, number, enrolled))
    assert drawn.keys() == set(enrolled)
    assert all(abs(count - 250) < 69 for count in drawn.values())


def test_rounds_and_seeds_draw_different_cohorts() -> None:
    plans = [Plan.model_validate({"cohort": {"size": 10}, "seed": seed}) for seed in range(3)]
    enrolled = tuple(client_id(index) for index in range(20))
    assert len({draw_cohort(plan, number, enrolled) for plan in plans for number in range(1, 11)}) == 30
