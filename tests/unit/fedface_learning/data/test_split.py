"""The split of identities: disjoint, seeded, and equal on every machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import SplitPlan
from fedface_learning.data import split_identities

PEOPLE = tuple(f"s{number}" for number in range(1, 41))


@given(
    st.integers(0, 20),
    st.integers(1, 20),
    st.integers(2, 20),
    st.integers(0, 20).filter(lambda people: people != 1),
    st.integers(0, 2**40),
    st.integers(0, 5),
)
def test_parts_are_disjoint_and_of_the_sizes_asked(
    public: int, clients: int, test: int, validation: int, seed: int, spare: int
) -> None:
    plan = SplitPlan(public=public, clients=clients, test=test, validation=validation, seed=seed)
    identities = [f"person-{number}" for number in range(plan.identities + spare)]
    split = split_identities(identities, plan)
    parts = (split.public, split.clients, split.test, split.validation)
    assert tuple(map(len, parts)) == (public, clients, test, validation)
    drawn = {identity for part in parts for identity in part}
    assert len(drawn) == plan.identities
    assert drawn <= set(identities)


def test_same_seed_same_split_in_whatever_order_the_identities_come() -> None:
    plan = SplitPlan(clients=20, test=20, seed=3)
    assert split_identities(PEOPLE, plan) == split_identities(PEOPLE[::-1], plan)


def test_the_split_is_the_same_on_every_machine() -> None:
    split = split_identities(PEOPLE[:9], SplitPlan(public=1, clients=2, test=2, seed=3))
    assert (split.test, split.public, split.clients) == (("s6", "s9"), ("s4",), ("s3", "s8"))


def test_other_seed_other_split() -> None:
    first, second = (split_identities(PEOPLE, SplitPlan(clients=20, test=20, seed=seed)) for seed in (0, 1))
    assert set(first.test) != set(second.test)


def test_more_clients_leave_test_and_public_identities_alone_and_keep_the_first_clients() -> None:
    few, many = (split_identities(PEOPLE, SplitPlan(public=5, clients=clients, test=10)) for clients in (5, 25))
    assert few.test == many.test
    assert few.public == many.public
    assert many.clients[:5] == few.clients


def test_validation_identities_change_no_other_part_and_do_not_depend_on_the_clients() -> None:
    without = split_identities(PEOPLE, SplitPlan(public=5, clients=10, test=10))
    few, many = (
        split_identities(PEOPLE, SplitPlan(public=5, clients=clients, test=10, validation=6)) for clients in (10, 19)
    )
    assert without.validation == ()
    assert (few.test, few.public, few.clients) == (without.test, without.public, without.clients)
    assert few.validation == many.validation
    assert few.scored("validation") == few.validation
    assert few.scored("test") == few.test


def test_too_few_identities_says_how_many_there_are_and_how_many_are_needed() -> None:
    with pytest.raises(
        InvalidInputError, match=r"10 public \+ 20 clients \+ 15 test \+ 0 validation are 45 identities.* has 40"
    ):
        split_identities(PEOPLE, SplitPlan(public=10, clients=20, test=15))
