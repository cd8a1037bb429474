"""The cost of a run, estimated from its plan."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_core.domain.cost import plan_cost
from fedface_core.domain.network_size import network_size
from fedface_core.domain.plan import Plan


def test_steps_are_those_of_the_clients_that_are_invited() -> None:
    plan = Plan.model_validate({"rounds": 5, "cohort": {"size": 8, "over_selection": 1.25}, "local_training": {"steps": 3}})
    assert plan_cost(plan).steps == 5 * 10 * 3


def test_steps_fall_as_the_schedule_says() -> None:
    training = {"schedule": "linear", "final_learning_rate": 0.1, "steps": 9, "final_steps": 1}
    plan = Plan.model_validate({"rounds": 5, "split": {"clients": 4}, "local_training": training})
    assert plan_cost(plan).steps == 4 * sum((9, 7, 5, 3, 1))


def test_very_many_rounds_are_estimated_at_once() -> None:
    training = {"schedule": "linear", "final_learning_rate": 0.1, "steps": 9, "final_steps": 1}
    plan = Plan.model_validate({"rounds": 10**6, "split": {"clients": 4}, "local_training": training})
    assert plan_cost(plan).steps == pytest.approx(4 * 5 * 10**6, rel=0.01)


@pytest.mark.parametrize(
    "more",
    [
        {"local_training": {"steps": 40}},
        {"split": {"test": 19, "clients": 21}},
        {"spreadout": {"steps": 10_000}},
        {"strategy": "public-negatives", "split": {"public": 10, "clients": 20, "test": 10}},
        {"model": {"architecture": "iresnet-50"}},
        {"rounds": 9},
    ],
    ids=str,
)
def test_more_work_costs_more(more: dict[str, Any]) -> None:
    plan = Plan()
    assert plan_cost(Plan.model_validate(more)).multiplications > plan_cost(plan).multiplications


def test_parameters_are_those_of_the_network() -> None:
    assert plan_cost(Plan()).parameters == network_size(Plan().model).parameters
