"""How learning rate and local steps change from round to round."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.local_training import LocalTrainingPlan


def shares(rounds: int, **fields: Any) -> list[float]:
    local = LocalTrainingPlan.model_validate(fields)
    return [local.rate_share(number, rounds) for number in range(1, rounds + 1)]


def test_a_constant_rate_is_the_plans_own_in_every_round() -> None:
    assert shares(5) == [1.0] * 5
    assert [LocalTrainingPlan(steps=0).steps_in(number, 5) for number in (1, 5)] == [0, 0]


def test_a_linear_schedule_goes_down_in_equal_parts() -> None:
    assert shares(5, schedule="linear", final_learning_rate=0.2) == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


def test_a_cosine_schedule_is_half_a_cosine() -> None:
    found = shares(5, schedule="cosine", final_learning_rate=0.5)
    assert found == pytest.approx([1.0, 0.5 + 0.25 * (1 + 0.5**0.5), 0.75, 0.5 + 0.25 * (1 - 0.5**0.5), 0.5])


def test_a_warm_up_rises_to_the_rate_before_the_schedule_begins() -> None:
    assert shares(4, warmup_rounds=2) == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])
    found = shares(5, schedule="linear", final_learning_rate=0.5, warmup_rounds=2)
    assert found == pytest.approx([1 / 3, 2 / 3, 1.0, 0.75, 0.5])


def test_a_schedule_with_one_round_has_nothing_to_go_down_in() -> None:
    fields: dict[str, Any] = {"schedule": "linear", "final_learning_rate": 0.5, "final_steps": 1}
    assert shares(1, **fields) == [1.0]
    assert shares(3, warmup_rounds=2, **fields) == pytest.approx([1 / 3, 2 / 3, 1.0])
    local = LocalTrainingPlan.model_validate(fields)
    assert (local.rate_share(2, 1), local.steps_in(1, 1), local.steps_in(2, 1)) == (0.5, 4, 1), "a retried round is the last"


def test_local_steps_may_go_down_too() -> None:
    local = LocalTrainingPlan(steps=8, final_steps=2, schedule="linear", final_learning_rate=0.5)
    assert [local.steps_in(number, 4) for number in range(1, 5)] == [8, 6, 4, 2]


@given(
    schedule=st.sampled_from(["cosine", "linear"]),
    final=st.floats(1e-3, 1),
    rounds=st.integers(1, 30),
    warmup=st.integers(0, 29),
    number=st.integers(1, 60),
)
def test_no_share_leaves_its_bounds(schedule: Any, final: float, rounds: int, warmup: int, number: int) -> None:
    local = LocalTrainingPlan(
        schedule=schedule, final_learning_rate=final, warmup_rounds=min(warmup, rounds - 1), final_steps=1
    )
    assert 0 < local.rate_share(number, rounds) <= 1
    assert 1 <= local.steps_in(number, rounds) <= local.steps
    if number >= rounds > warmup + 1:
        assert local.rate_share(number, rounds) == pytest.approx(final)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schedule": "cosine"}, "give final_learning_rate"),
        ({"final_learning_rate": 0.1}, "give final_learning_rate"),
        ({"final_steps": 2}, "final_steps is 2: it needs schedule 'cosine' or 'linear'"),
        ({"schedule": "one-cycle", "final_steps": 2}, "final_steps is 2: it needs schedule 'cosine' or 'linear'"),
        ({"schedule": "one-cycle", "final_learning_rate": 0.1}, "with schedule 'cosine' or 'linear', and with no other"),
        ({"schedule": "one-cycle", "warmup_rounds": 1}, "leave warmup_rounds out"),
        ({"schedule": "linear", "final_learning_rate": 0.1, "final_steps": 9}, "at most steps, 4"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LocalTrainingPlan.model_validate(fields)


def test_a_warm_up_ends_within_the_plan() -> None:
    with pytest.raises(ValidationError, match=r"local_training.warmup_rounds is 3; it must be below rounds, 3"):
        Plan.model_validate({"rounds": 3, "local_training": {"warmup_rounds": 3}})


def test_one_cycle_rises_in_three_tenths_of_the_rounds_and_then_falls_to_almost_nothing() -> None:
    found = shares(100, schedule="one-cycle")
    assert found[:30] == pytest.approx([(number - 0.5) / 30 for number in range(1, 31)])
    assert sorted(found[30:], reverse=True) == found[30:]
    assert found[30] > 0.999
    assert found[64] == pytest.approx(0.5 * (1 + math.cos(math.pi * 34.5 / 70)))
    assert 0 < found[-1] < 1e-3
    assert LocalTrainingPlan(schedule="one-cycle").rate_share(101, 100) == found[-1], "of a round that was retried"
    assert 0 < LocalTrainingPlan(schedule="one-cycle").rate_share(1, 1) <= 1


@pytest.mark.parametrize(
    ("optimiser", "of_clients", "of_server"),
    [("average", 0.5, 1.0), ("momentum", 0.5, 1.0), ("adam", 1.0, 0.5), ("yogi", 1.0, 0.5), ("sgd", 1.0, 0.5)],
)
def test_the_schedule_changes_the_rate_that_decides_how_far_the_model_moves(
    optimiser: str, of_clients: float, of_server: float
) -> None:
    local = {"schedule": "linear", "final_learning_rate": 0.5}
    plan = Plan.model_validate({"rounds": 2, "local_training": local, "aggregation": {"optimiser": optimiser}})
    assert plan.rate_shares(2) == (of_clients, of_server)
