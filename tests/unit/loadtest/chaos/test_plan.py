"""The plan of the chaos scenario: several shards, no deadline in reach, and every update kept until it is checked."""

from __future__ import annotations

from collections import Counter

import pytest

from fedface_core.domain.client_tasks import split_into_tasks
from fedface_core.domain.devices import RoundTask, behaviour
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.ids import client_id
from loadtest.chaos.plan import MARK, combined_plan, plan_with_dropouts, service_environment, synthetic_plan


def test_no_fault_can_make_a_client_fail_and_every_update_is_kept() -> None:
    plan = synthetic_plan(clients=24, rounds=6, seed=3)
    assert plan.split.clients > plan.shard_size_for(plan.split.clients), "several shards"
    assert plan.cohort.deadline_seconds >= 86_400
    assert plan.cohort.attempts >= 1_000_000
    assert plan.retention.rounds_of_updates == plan.rounds + 1
    assert (plan.seed, plan.data.seed, plan.split.seed) == (3, 3, 3)


def test_tasks_of_a_combined_plan_have_several_clients_of_a_shard() -> None:
    plan = combined_plan(clients=48, rounds=6, seed=3)
    assert plan.delivery == "combined"
    shard_size = plan.shard_size_for(48)
    assert shard_size < 48, "several shards"
    first, *_ = split_into_tasks(plan, [client_id(index) for index in range(48)])
    assert 1 < len(first) <= shard_size


@pytest.mark.parametrize("seed", [0, 1])
def test_of_those_that_drop_out_at_some_task_enough_are_left_to_unmask(seed: int) -> None:
    plan = plan_with_dropouts(clients=64, rounds=2, seed=seed)
    clients = [client_id(index) for index in range(64)]
    for number in (1, 2):
        at = Counter(behaviour(plan, client, number, None).drops_out_at for client in clients)
        assert {RoundTask.SHARE, RoundTask.TRAIN, RoundTask.SIGN, RoundTask.REVEAL} < at.keys()
        assert at[None] + at[RoundTask.REVEAL] >= plan.mask_graph(64).signers
        assert at[None] >= plan.mask_graph(64).threshold


def test_a_plan_without_clients_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"split\.clients"):
        synthetic_plan(clients=0, rounds=1, seed=0)


def test_each_stack_has_a_mark_of_its_own() -> None:
    assert service_environment()[MARK] != service_environment()[MARK]
