"""How many clients are invited, and how many updates close a round."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.plan import CohortPlan


def plan(**fields: Any) -> CohortPlan:
    return CohortPlan.model_validate(fields)


# Of 20 clients: fields of the plan → updates wanted, clients invited, quorum.
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


@pytest.mark.parametrize(("clients", "least"), [(1, 1), (2, 2), (3, 3), (1000, 3)])
def test_a_model_is_made_of_three_updates_at_least_unless_there_are_fewer_clients(clients: int, least: int) -> None:
    """Of two, each client could compute the update of the other."""
    assert plan().minimum_for(clients) == least
    assert plan(minimum=7).minimum_for(clients) == 7


def test_the_minimum_of_a_stored_plan_is_as_it_was_and_a_default_is_not_stored() -> None:
    assert plan(minimum=1).model_dump() == plan().model_dump() | {"minimum": 1}
    assert "minimum" not in plan().model_dump(mode="json"), "a service of an older version would not read a null"
