"""What is said of a wrong plan: the field, what it has, and what may have been meant."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.contracts.field_problems import MOST_CHARACTERS, field_problem
from fedface_core.contracts.http import FieldProblem
from fedface_core.contracts.sign_in import NewKey
from fedface_core.domain.plan import Plan

ARMS = "'fedface', 'fedavg', 'fedprox', 'fedaws', 'public-negatives', 'gaussian-negatives', 'feduv', 'fedfv', 'fedfr', "
STRATEGIES = ARMS + "'centralised', 'public-only', 'local-only', 'chained'"
WRONG_PLANS: list[tuple[Any, str, str]] = [
    ({"strategy": "fedaavg"}, "strategy", f"there is no 'fedaavg'; did you mean 'fedavg'? There are: {STRATEGIES}"),
    (
        {"strategy": "gaussian"},
        "strategy",
        f"there is no 'gaussian'; did you mean 'gaussian-negatives'? There are: {STRATEGIES}",
    ),
    ({"strategy": {"name": "sgd"}}, "strategy", f"there is no 'sgd'; there are: {STRATEGIES}"),
    ({"strategy": {"mu": 1}}, "strategy", "its field `name` is missing, which says what it is"),
    ({"strategy": 5}, "strategy", "5 is not a table of fields"),
    ({"strategy": {"name": "fedprox", "mu": 1}}, "strategy.mu", "there is no such field; fedprox has proximal"),
    (
        {"strategy": {"name": "fedprox", "proximl": 1}},
        "strategy.proximl",
        "there is no such field; did you mean strategy.proximal? fedprox has proximal",
    ),
    ({"strategy": {"name": "fedavg", "mu": 1}}, "strategy.mu", "there is no such field; fedavg has no parameters"),
    ({"aggregation": {"clipping": {"name": "norm"}}}, "aggregation.clipping.norm", "is required"),
    (
        {"model": {"architecture": "iresnet50"}},
        "model.architecture",
        "there is no 'iresnet50'; did you mean 'iresnet-50'? There are: 'iresnet-50', 'iresnet-100', 'iresnet-34', "
        "'iresnet-18', 'ir-se-50' and 18 more",
    ),
    ({"delivery": "combine"}, "delivery", "there is no 'combine'; did you mean 'combined'? There are: 'single', 'combined'"),
    ({"delivery": 3}, "delivery", "3 is none of 'single', 'combined'"),
    ({"compute": {"device": "gpu"}}, "compute.device", "there is no 'gpu'; there are: 'cpu', 'cuda'"),
    ({"rounds": "many"}, "rounds", "'many' is not an integer"),
    ({"rounds": None}, "rounds", "null is not an integer"),
    ({"rounds": True}, "rounds", "true is not an integer"),
    ({"rounds": 1.5}, "rounds", "1.5 is not an integer"),
    ({"rounds": [1]}, "rounds", "a list is not an integer"),
    ({"rounds": {"x": 1}}, "rounds", "a table is not an integer"),
    ({"rounds": date(2026, 1, 2)}, "rounds", "'2026-01-02' is not an integer"),
    ({"rounds": 0}, "rounds", "Input should be greater than 0"),
    ({"name": 3}, "name", "3 is not text"),
    ({"name": 1 << 20_000}, "name", "an integer of many digits is not text"),
    ({"cohort": 3}, "cohort", "3 is not a table of fields"),
    ([], "", "a list is not a table of fields"),
    ({"cohort": {"size": 50}}, "", "cohort.size is 50, but split.clients is only 20"),
    ({"deadline": 3}, "deadline", "there is no such field; did you mean cohort.deadline_seconds?"),
]


def problem_of(kind: Any, fields: Any) -> FieldProblem:
    with pytest.raises(ValidationError) as refused:
        kind.model_validate(fields)
    (found,) = refused.value.errors(include_url=False)
    return field_problem(kind, found, fields)


@pytest.mark.parametrize(("fields", "field", "message"), WRONG_PLANS)
def test_a_wrong_plan_is_told_in_words_of_ours(fields: Any, field: str, message: str) -> None:
    assert problem_of(Plan, fields) == FieldProblem(field=field, message=message)


@pytest.mark.parametrize(
    "fields",
    [{"x" * 10_000: 1}, {"rounds": "x" * 10_000}, {"delivery": "\n" * 10_000}, {"strategy": "x" * 10_000}],
)
def test_what_was_given_is_shown_in_part_if_it_is_long(fields: dict[str, object]) -> None:
    told = problem_of(Plan, fields)
    assert len(told.field) <= MOST_CHARACTERS
    assert len(told.message) <= MOST_CHARACTERS
    assert "\n" not in told.message
    assert "x" * 41 not in told.message


def test_bodies_that_are_no_plans_are_told_of_in_these_words_too() -> None:
    told = problem_of(NewKey, {"name": "nightly", "roles": ["operater"]})
    assert told.field == "roles.0"
    assert told.message.startswith("there is no 'operater'; did you mean 'operator'? There are: ")
    assert problem_of(NewKey, {"nam": "nightly", "name": "x", "roles": ["viewer"]}).message.endswith("did you mean name?")
