"""Which clients each selection policy draws."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.cohort import Participation, draw, draw_cohort
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import CohortPlan, Plan

CLIENTS = [client_id(index) for index in range(20)]
SELECTIONS = ["uniform", "balanced", "reliable"]


def plan(**fields: Any) -> CohortPlan:
    return CohortPlan.model_validate(fields)


@pytest.mark.parametrize("selection", SELECTIONS)
@given(seed=st.integers(0, 99), number=st.integers(1, 99), size=st.integers(0, 20))
def test_each_policy_draws_so_many_different_clients_in_order(selection: str, seed: int, number: int, size: int) -> None:
    drawn = draw(plan(selection=selection), seed, number, CLIENTS, size, {})
    assert len(drawn) == size
    assert list(drawn) == sorted(set(drawn))
    assert set(drawn) <= set(CLIENTS)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_draw_depends_on_seed_and_round_and_not_on_the_order_given(selection: str) -> None:
    history = {client: Participation(invited=index % 3, accepted=index % 2) for index, client in enumerate(CLIENTS)}

    def drawn(seed: int, number: int, clients: list[str] = CLIENTS) -> tuple[str, ...]:
        return draw(plan(selection=selection), seed, number, clients, 10, history)

    assert drawn(1, 1) == drawn(1, 1, CLIENTS[::-1])
    assert len({drawn(seed, 1) for seed in range(20)}) > 10
    assert len({drawn(1, number) for number in range(20)}) > 10


def rounds_of(selection: str, rounds: int, size: int, answers: dict[str, bool]) -> Counter[str]:
    """How often each client is invited in so many rounds, if a client always answers or never does."""
    invited: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    for number in range(1, rounds + 1):
        history = {client: Participation(invited=invited[client], accepted=accepted[client]) for client in invited}
        for client in draw(plan(selection=selection), 3, number, CLIENTS, size, history):
            invited[client] += 1
            accepted[client] += answers[client]
    return invited


@pytest.mark.parametrize("size", [1, 7, 13, 20])
def test_balanced_invites_all_equally_often_within_one(size: int) -> None:
    for rounds in (1, 5, 12):
        invited = rounds_of("balanced", rounds, size, dict.fromkeys(CLIENTS, True))
        counts = [invited[client] for client in CLIENTS]
        assert max(counts) - min(counts) <= 1


def test_balanced_makes_up_for_an_uneven_past() -> None:
    history = {client: Participation(invited=5) for client in CLIENTS[:15]}
    assert draw(plan(selection="balanced"), 0, 1, CLIENTS, 5, history) == tuple(CLIENTS[15:])


def test_reliable_prefers_who_answers_and_excludes_nobody() -> None:
    answers = {client: index < 10 for index, client in enumerate(CLIENTS)}
    invited = rounds_of("reliable", 200, 5, answers)
    reliable = sum(invited[client] for client in CLIENTS[:10])
    silent = sum(invited[client] for client in CLIENTS[10:])
    assert reliable > 2 * silent
    assert all(invited[client] > 0 for client in CLIENTS)


def test_uniform_does_not_look_at_the_past() -> None:
    history = {client: Participation(invited=9) for client in CLIENTS[:10]}
    assert draw(plan(), 1, 1, CLIENTS, 7, history) == draw(plan(), 1, 1, CLIENTS, 7, {})
    answers = {client: index < 10 for index, client in enumerate(CLIENTS)}
    invited = rounds_of("uniform", 400, 5, answers)
    assert all(60 < invited[client] < 140 for client in CLIENTS), "100 each, give or take"


def test_reliability_is_a_half_for_whom_nobody_knows_and_never_nothing() -> None:
    assert Participation().reliability == 0.5
    assert Participation(invited=8).reliability == 0.1
    assert Participation(invited=8, accepted=8).reliability == 0.9


@given(
    seed=st.integers(0, 1000),
    number=st.integers(1, 50),
    size=st.integers(1, 30),
    enrolled=st.sets(st.integers(0, 99), min_size=1),
)
def test_a_cohort_is_a_seeded_draw_of_the_right_size_in_client_order(
    seed: int, number: int, size: int, enrolled: set[int]
) -> None:
    plan = Plan.model_validate({"split": {"clients": 100}, "cohort": {"size": size, "minimum": 1}, "seed": seed})
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


def test_clients_that_still_train_make_the_draw_smaller() -> None:
    plan = Plan.model_validate({"split": {"clients": 20}, "cohort": {"size": 8}})
    assert len(draw_cohort(plan, 3, CLIENTS, training=3)) == 5
