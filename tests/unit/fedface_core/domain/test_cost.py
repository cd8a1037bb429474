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


def test_class_sums_are_given_to_clients_instead_of_rows() -> None:
    """Two sums of D and D² numbers of eight bytes, and no row; a client uploads two class embeddings instead of one."""
    settings: dict[str, Any] = {"split": {"public": 10, "clients": 20, "test": 10}, "cohort": {"size": 5}, "rounds": 3}
    settings |= {"model": {"architecture": "spherenet-4"}}
    rows, sums = (
        plan_cost(Plan.model_validate(settings | {"strategy": name})) for name in ("public-negatives", "gaussian-negatives")
    )
    size = Plan.model_validate(settings).model.embedding_size
    assert sums.bytes_up - rows.bytes_up == 15 * 4 * size
    assert sums.bytes_down - rows.bytes_down == 15 * (8 * size * (size + 1) - 4 * size)


def test_an_anchor_is_one_model_more_for_each_client_and_a_forward_pass_more_in_each_step() -> None:
    settings: dict[str, Any] = {"split": {"clients": 20, "test": 10}, "cohort": {"size": 5}, "local_training": {"steps": 2}}
    settings |= {"model": {"architecture": "spherenet-4"}, "data": {"images_per_client": 4}}
    held = {"name": "gaussian-negatives", "anchor": 1.0}
    for rounds, downloads in ((3, 15), (30, 20)):
        free, anchored = (
            plan_cost(Plan.model_validate(settings | {"rounds": rounds, "strategy": strategy}))
            for strategy in ("gaussian-negatives", held)
        )
        size = network_size(Plan.model_validate(settings).model)
        assert anchored.bytes_down - free.bytes_down == downloads * 4 * size.parameters
        assert anchored.bytes_up == free.bytes_up
        assert anchored.multiplications - free.multiplications == 5 * rounds * 2 * 4 * size.multiplications


def test_negatives_of_clients_alone_use_nothing_public() -> None:
    settings: dict[str, Any] = {"split": {"public": 10, "clients": 20, "test": 10}}
    settings |= {"model": {"architecture": "spherenet-4"}}
    nobody = settings | {"split": {"public": 0, "clients": 20, "test": 10}}
    alone = {"strategy": {"name": "gaussian-negatives", "contrast": "clients"}}
    expected = plan_cost(Plan.model_validate(nobody | {"strategy": "gaussian-negatives"}))
    assert plan_cost(Plan.model_validate(settings | alone)) == expected


def test_a_masked_update_has_eight_bytes_for_each_number_and_for_each_of_its_class_sums() -> None:
    settings: dict[str, Any] = {"strategy": "gaussian-negatives", "split": {"clients": 20, "test": 2}, "rounds": 3}
    settings |= {"model": {"architecture": "spherenet-4"}}
    plain = Plan.model_validate(settings)
    masked = Plan.model_validate(settings | {"secure_aggregation": {}})
    size = plain.model.embedding_size
    parameters = network_size(plain.model).parameters
    more = 60 * (4 * parameters - 2 * 4 * size) - 20 * 4 * size + 80 * 8 * size * (size + 3) // 2
    assert plan_cost(masked).bytes_up - plan_cost(plain).bytes_up == more
    assert plan_cost(masked).bytes_down == plan_cost(plain).bytes_down


def test_what_rivals_give_their_clients_is_downloaded() -> None:
    """Beside model and row: FedFV's 20 // 4 equivalents, FedFR's public class embeddings, its photographs and theirs."""
    settings: dict[str, Any] = {"split": {"public": 10, "clients": 20, "test": 10}, "cohort": {"size": 5}, "rounds": 3}
    settings |= {"model": {"architecture": "spherenet-4"}}
    plain, groups, photographs = (
        plan_cost(Plan.model_validate(settings | {"strategy": strategy})).bytes_down
        for strategy in ("feduv", "fedfv", {"name": "fedfr", "shared_photographs": 30})
    )
    model = Plan.model_validate(settings).model
    row = 4 * model.embedding_size
    image = model.channels * model.height * model.width
    assert groups - plain == 15 * 5 * row
    assert photographs - plain == 15 * (10 * row + 30 * (image + 8 + row))


def test_hard_negatives_are_work_of_a_client() -> None:
    settings = {"split": {"public": 10, "clients": 20, "test": 10}}
    few, many = (
        plan_cost(Plan.model_validate(settings | {"strategy": {"name": "fedfr", "hard_negatives": hard}})).multiplications
        for hard in (1, 30)
    )
    assert many > few


def test_parameters_are_those_of_the_network() -> None:
    assert plan_cost(Plan()).parameters == network_size(Plan().model).parameters
