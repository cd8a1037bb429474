"""The strategy of a plan: a name, or a name with the parameters of that strategy."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import FedFacePlan, FedProxPlan, strategy_name


def test_a_plan_that_names_no_strategy_is_fedfaces() -> None:
    assert Plan().strategy == FedFacePlan()
    stored = Plan().model_dump(mode="json")
    del stored["strategy"]
    assert Plan.model_validate(stored) == Plan()


def test_a_name_alone_takes_the_strategys_own_defaults() -> None:
    assert Plan.model_validate({"strategy": "fedprox"}).strategy == FedProxPlan(name="fedprox")
    plan = Plan.model_validate({"strategy": {"name": "fedprox", "proximal": 0.5}})
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_fedaws_draws_its_class_embeddings_by_default() -> None:
    assert Plan.model_validate({"strategy": "fedaws"}).initialisation == "random"
    assert (
        Plan.model_validate({"strategy": {"name": "fedaws"}, "initialisation": "mean-feature"}).initialisation
        == "mean-feature"
    )
    assert Plan(strategy=FedFacePlan()).initialisation == "mean-feature"


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"strategy": "fedsgd"}, "strategy", "'fedface'"),
        ({"strategy": {"proximal": 0.1}}, "strategy", "'name'"),
        ({"strategy": {"name": "fedface", "proximal": 0.1}}, "strategy.fedface.proximal", "not permitted"),
        ({"strategy": {"name": "fedprox", "proximal": -1}}, "strategy.fedprox.proximal", "greater than or equal to 0"),
        (
            {"strategy": {"name": "fedaws", "class_learning_rate": 0}},
            "strategy.fedaws.class_learning_rate",
            "greater than 0",
        ),
        (
            {"strategy": {"name": "fedfv", "group_size": 11}},
            "",
            "strategy.group_size is 11, and split.clients only 20: there must be two groups",
        ),
        ({"strategy": {"name": "fedfv", "group_size": 2}}, "strategy.fedfv.group_size", "greater than or equal to 3"),
        ({"strategy": {"name": "feduv", "message_bits": 4}}, "", "message_bits is 4, too few to tell 20 clients apart; 5"),
        ({"strategy": "feduv", "initialisation": "random"}, "", "'feduv' draws codewords; leave it out"),
        (
            {"strategy": "feduv", "model": {"architecture": "spherenet-4", "embedding_size": 4097}},
            "",
            "model.embedding_size is 4097; the strategy 'feduv' has codewords of 4096 numbers at most",
        ),
        ({"strategy": "fedfr"}, "", "split.public is 0; the strategy 'fedfr' needs 2 at least"),
        (
            {"strategy": "fedfv", "aggregation": {"mode": "asynchronous"}, "cohort": {"size": 6, "quorum": 3}},
            "",
            "aggregation.mode: the strategy 'fedfv' is synchronous",
        ),
        ({"strategy": "fedavg", "spreadout": {"weight": 1.0}}, "", "spreadout: the strategy 'fedavg' has none"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        Plan.model_validate(changes)
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) == field


@pytest.mark.parametrize("given", ["fedprox", {"name": "fedprox"}, FedProxPlan(name="fedprox")])
def test_the_name_of_a_strategy_is_found_in_whatever_form_it_is_given(given: object) -> None:
    assert strategy_name(given) == "fedprox"


@pytest.mark.parametrize("given", [None, 3, {}, {"proximal": 0.1}])
def test_no_name_is_found_in_what_is_no_strategy(given: object) -> None:
    assert not isinstance(strategy_name(given), str)
