"""The strategies and the names that plans have for them."""

from __future__ import annotations

import pytest

from fedface_learning.strategies import STRATEGIES, strategy_of
from support.small_networks import small_plan


def test_a_plan_has_the_strategy_that_it_names_and_a_bound_is_none() -> None:
    assert strategy_of(small_plan(strategy="fedavg")) is STRATEGIES["fedavg"]
    with pytest.raises(AssertionError, match="local-only is no strategy"):
        strategy_of(small_plan(strategy={"name": "local-only", "scored_clients": 2}))
