"""Which fields of plans differ."""

from __future__ import annotations

from typing import Any

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.differing_fields import differing_fields


def plan(**fields: object) -> dict[str, Any]:
    return Plan.model_validate(fields).model_dump(mode="json")


def test_equal_plans_do_not_differ_however_they_were_written() -> None:
    assert differing_fields([plan(), plan(rounds=8), plan(cohort={"retries": 2})]) == {}


def test_each_field_has_a_value_of_each_plan() -> None:
    plans = [plan(rounds=3), plan(rounds=4, split={"clients": 9}), plan(rounds=3)]
    clients = Plan().split.clients
    assert differing_fields(plans) == {"split.clients": [clients, 9, clients], "rounds": [3, 4, 3]}


def test_a_parameter_that_one_strategy_lacks_is_none() -> None:
    differing = differing_fields([plan(), plan(strategy={"name": "fedprox", "proximal": 0.5})])
    assert differing == {"strategy.name": ["fedface", "fedprox"], "strategy.proximal": [None, 0.5]}
