"""The server optimiser by its name, and the weight of stale updates."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan.aggregation import AdaptivePlan, AggregationPlan, AveragePlan


def test_the_average_is_the_default() -> None:
    assert AggregationPlan().optimiser == AveragePlan()
    assert not AggregationPlan().is_asynchronous


def test_a_name_alone_takes_the_optimisers_own_defaults() -> None:
    plan = AggregationPlan.model_validate({"optimiser": "yogi"})
    assert plan.optimiser == AdaptivePlan(name="yogi")
    assert AggregationPlan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    ("optimiser", "field", "message"),
    [
        ("lamb", "optimiser", "'momentum'"),
        ({"momentum": 0.9}, "optimiser", "'name'"),
        ({"name": "average", "momentum": 0.9}, "optimiser.average.momentum", "not permitted"),
        ({"name": "yogi", "beta2": 1}, "optimiser.yogi.beta2", "less than 1"),
    ],
)
def test_a_wrong_optimiser_is_refused_by_the_name_of_its_field(optimiser: Any, field: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        AggregationPlan.model_validate({"optimiser": optimiser})
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) == field


def test_the_weight_of_an_update_falls_with_the_age_of_its_model() -> None:
    plan = AggregationPlan(mode="asynchronous", staleness_exponent=0.5)
    assert [plan.staleness_weight(age) for age in (0, 3, 8)] == pytest.approx([1, 1 / 2, 1 / 3])
    assert AggregationPlan(staleness_exponent=0).staleness_weight(5) == 1
