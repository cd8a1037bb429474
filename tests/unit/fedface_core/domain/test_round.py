"""A round moves by its table and by nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.cohort import draw_cohort
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.residuals import residuals_after
from fedface_core.domain.results import Aggregation, Scores
from fedface_core.domain.round import (
    ROUND_TRANSITIONS,
    Round,
    RoundChanges,
    RoundMove,
    RoundPhase,
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


def a_round(phase: RoundPhase = RoundPhase.OPEN, number: int = 1) -> Round:
    return open_round(PLAN, RUN, number, EVERYONE, "c" * 64, NOW).model_copy(update={"phase": phase})


MOVES: dict[RoundMove, Callable[[Round], Round]] = {
    RoundMove.CLOSE: lambda current: current.closed(LATER),
    RoundMove.AGGREGATED: lambda current: current.aggregated(AGGREGATION),
    RoundMove.EVALUATED: lambda current: current.evaluated(SCORES, LATER),
    RoundMove.SKIP_EVALUATION: lambda current: current.finished_unscored(LATER),
    RoundMove.SUSPEND: lambda current: current.suspended(LATER),
    RoundMove.REOPEN: lambda current: current.replace(suspended_at=NOW).reopened(LATER),
    RoundMove.ABANDON: lambda current: current.abandoned(LATER, "too few"),
}


@pytest.mark.parametrize(("move", "phase"), [*product(MOVES, RoundPhase)])
def test_a_round_moves_exactly_where_its_table_says(move: RoundMove, phase: RoundPhase) -> None:
    transition = ROUND_TRANSITIONS[move]
    if phase in transition.sources:
        assert {MOVES[move](a_round(phase)).phase} == transition.targets
    else:
        with pytest.raises(AssertionError, match="no such move"):
            MOVES[move](a_round(phase))


def test_a_round_records_what_each_move_brought() -> None:
    closed = a_round().closed(LATER)
    assert (closed.closed_at, closed.finished_at) == (LATER, None)
    aggregated = closed.aggregated(AGGREGATION)
    assert aggregated == closed.replace(phase=RoundPhase.EVALUATING, aggregation=AGGREGATION)
    finished = aggregated.evaluated(SCORES, LATER)
    assert (finished.scores, finished.finished_at) == (SCORES, LATER)
    unscored = aggregated.finished_unscored(LATER)
    assert (unscored.scores, unscored.finished_at) == (None, LATER)


def test_a_reopened_round_has_as_long_as_it_had() -> None:
    reopened = a_round().suspended(NOW).reopened(LATER)
    assert (reopened.suspended_at, reopened.deadline_at) == (None, a_round().deadline_at + (LATER - NOW))


def test_what_a_round_changes_are_its_fields() -> None:
    """A name that is no field, or that has another type, passes neither mypy nor this test."""
    fields, changes = get_type_hints(Round), get_type_hints(RoundChanges)
    assert changes == {name: fields[name] for name in changes}


@pytest.mark.parametrize("wrong", [{"phase": "ajar"}, {"closed_at": "soon"}, {"aggregation": "good"}, {"closed": LATER}])
def test_a_wrong_name_or_value_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        a_round().replace(**wrong)


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
    abandoned = a_round(phase).abandoned(LATER, "too few")
    assert (abandoned.phase, abandoned.finished_at) == (RoundPhase.ABANDONED, LATER)
    assert abandoned.abandoned_because == "too few"
    with pytest.raises(AssertionError):
        abandoned.abandoned(LATER, "again")


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
