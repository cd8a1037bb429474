"""How many are invited, how many close a round, and whom each policy draws."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.cohort import Participation, draw
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import CohortPlan

CLIENTS = [client_id(index) for index in range(20)]
SELECTIONS = ["uniform", "balanced", "reliable"]


def plan(**fields: Any) -> CohortPlan:
    return CohortPlan.model_validate(fields)


# Of 20 clients: what the plan says → wanted, invited, closing.
SIZES: list[tuple[dict[str, Any], tuple[int, int, int]]] = [
    ({}, (20, 20, 20)),
    ({"size": 10}, (10, 10, 10)),
    ({"fraction": 0.5}, (10, 10, 10)),
    ({"fraction": 0.51}, (11, 11, 11)),
    ({"fraction": 0.01}, (1, 1, 1)),
    ({"fraction": 0.15}, (3, 3, 3)),
    ({"size": 10, "over_selection": 1.3}, (10, 13, 10)),
    ({"size": 10, "over_selection": 1.25}, (10, 13, 10)),
    ({"size": 10, "over_selection": 1.1}, (10, 11, 10)),
    ({"size": 18, "over_selection": 1.3}, (18, 20, 18)),
    ({"size": 10, "quorum": 7}, (10, 10, 7)),
    ({"size": 10, "over_selection": 1.3, "quorum": 12}, (10, 13, 12)),
    ({"size": 10, "quorum_fraction": 0.7}, (10, 10, 7)),
    ({"size": 10, "quorum_fraction": 0.71}, (10, 10, 8)),
    ({"size": 10, "over_selection": 2, "quorum_fraction": 0.5}, (10, 20, 5)),
    ({"fraction": 0.5, "over_selection": 1.5, "quorum_fraction": 1.0}, (10, 15, 10)),
]


@pytest.mark.parametrize(("fields", "counts"), SIZES)
def test_counts_follow_from_the_plan(fields: dict[str, Any], counts: tuple[int, int, int]) -> None:
    cohort = plan(**fields)
    assert (cohort.wanted(20), cohort.invited(20), cohort.quorum_for(20)) == counts


@given(
    size=st.integers(1, 1000),
    over_selection=st.floats(1, 10),
    quorum_fraction=st.none() | st.floats(0.001, 1),
    clients=st.integers(1, 1000),
)
def test_counts_stay_within_the_clients(
    size: int, over_selection: float, quorum_fraction: float | None, clients: int
) -> None:
    size = min(size, clients)
    cohort = plan(size=size, over_selection=over_selection, quorum_fraction=quorum_fraction)
    assert 1 <= cohort.quorum_for(clients) <= cohort.invited(clients) <= clients
    assert cohort.wanted(clients) <= cohort.invited(clients)


@pytest.mark.parametrize("fields", [{"size": 3, "fraction": 0.5}, {"quorum": 3, "quorum_fraction": 0.5}])
def test_a_count_is_said_in_one_way(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="not both"):
        plan(**fields)


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
    """How often each client is invited, where those that answer always do and the others never."""
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
    reliable, silent = (sum(invited[client] for client in part) for part in (CLIENTS[:10], CLIENTS[10:]))
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
