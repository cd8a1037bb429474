"""How the clients of a round are split into tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.client_tasks import split_into_tasks
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan

PLAN = Plan.model_validate({"split": {"clients": 100}})
ONE_EACH = {
    "a profile": {"devices": {"profile": "phones"}},
    "a trace": {"devices": {"trace": [{"client": client_id(3), "round": 2, "drops_out": True}]}},
    "asynchronous": {"aggregation": {"mode": "asynchronous"}, "cohort": {"quorum": 5}},
}


def clients(count: int) -> tuple[str, ...]:
    return tuple(client_id(index) for index in range(count))


@given(st.integers(0, 3000))
def test_each_client_is_in_one_task_and_the_order_is_kept(count: int) -> None:
    assert sum(split_into_tasks(PLAN, clients(count)), ()) == clients(count)


@given(st.integers(1, 3000))
def test_tasks_become_smaller_down_to_one_client(count: int) -> None:
    sizes = [len(task) for task in split_into_tasks(PLAN, clients(count))]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert sizes[0] <= 50
    remaining = count
    for size in sizes:
        assert size == 1 or 8 * size <= remaining, "at most an eighth of the remaining clients"
        remaining -= size


@pytest.mark.parametrize(("count", "largest", "tasks"), [(0, 0, 0), (4, 1, 4), (200, 25, 36), (10_000, 50, 233)])
def test_how_many_tasks_a_round_makes(count: int, largest: int, tasks: int) -> None:
    split = split_into_tasks(PLAN, clients(count))
    assert (max(map(len, split), default=0), len(split)) == (largest, tasks)


@pytest.mark.parametrize("changes", ONE_EACH.values(), ids=ONE_EACH.keys())
def test_if_clients_wait_or_train_different_models_each_client_has_a_task_of_its_own(changes: dict[str, object]) -> None:
    plan = Plan.model_validate({"split": {"clients": 100}} | changes)
    assert split_into_tasks(plan, clients(100)) == [(client,) for client in clients(100)]


@pytest.mark.parametrize(("count", "sizes"), [(7, [4, 3]), (100, [12, 8, 8, 8, 8, *[4] * 14])])
def test_if_clients_train_at_once_tasks_have_whole_groups(count: int, sizes: list[int]) -> None:
    plan = Plan.model_validate({"split": {"clients": 100}, "local_training": {"vectorised_clients": 4}})
    tasks = split_into_tasks(plan, clients(count))
    assert [len(task) for task in tasks] == sizes
    assert sum(tasks, ()) == clients(count)
