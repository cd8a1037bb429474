"""A plan is checked as a run of it would be created, and nothing is created."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_control.operate.quota import Quota
from fedface_core.contracts.http import PlanCheck
from fedface_core.domain.budget import Budget
from fedface_core.domain.plan import Plan
from support.in_process import InProcess
from support.open_sign_in import open_sign_in
from support.problem_details import problem


def sent(api: TestClient, path: str, plan: Any) -> Response:
    """The answer to a plan, whose text may be such that only JSON's escapes can write it."""
    answer: Response = api.post(path, content=json.dumps(plan), headers={"Content-Type": "application/json"})
    return answer


def checked(api: TestClient, plan: Any) -> PlanCheck:
    answer = sent(api, "/v1/plans:check", plan)
    assert answer.status_code == 200, answer.text
    return PlanCheck.model_validate(answer.json())


def test_a_valid_plan_comes_back_whole_with_its_cost(api: TestClient, services: InProcess) -> None:
    found = checked(api, {"rounds": 3, "strategy": "fedprox"})
    assert (found.valid, found.errors) == (True, [])
    assert found.plan == Plan.model_validate({"rounds": 3, "strategy": "fedprox"})
    assert found.cost is not None
    assert found.cost.steps == 3 * 20 * 4
    assert services.ports.ledger.runs() == []
    assert services.publisher.published == []


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown": ({"colour": "red", "cohort": {"quota": 1}}, ["cohort.quota", "colour"]),
    "no text": ({"\ud800": 1}, [""]),
    "wrong": ({"cohort": {"quorum": 0}}, ["cohort.quorum"]),
    "contradiction": ({"cohort": {"size": 50}}, [""]),
}


@pytest.mark.parametrize(("plan", "fields"), WRONG.values(), ids=WRONG.keys())
def test_each_wrong_field_is_named(api: TestClient, plan: dict[str, Any], fields: list[str]) -> None:
    found = checked(api, plan)
    assert (found.valid, found.plan, found.cost) == (False, None, None)
    assert [error.field for error in found.errors] == fields
    created = sent(api, "/v1/runs", plan)
    assert problem(created, 422, "Invalid input").errors == found.errors, "it says what the creation says"


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"strategy": "local-only"}, "strategy"),
        ({"spreadout": {"steps": 1_000_000}}, ""),
        ({"name": "a\x1bb"}, ""),
    ],
)
def test_a_plan_that_is_right_and_no_run_for_services_is_refused_with_its_cost(
    api: TestClient, plan: dict[str, Any], field: str
) -> None:
    found = checked(api, plan)
    assert (found.valid, [error.field for error in found.errors]) == (False, [field])
    assert found.plan is not None
    assert found.cost is not None
    assert found.errors[0].message in problem(api.post("/v1/runs", json=plan), 422, "Invalid input").detail


def test_the_budget_of_this_control_counts(services: InProcess) -> None:
    app = create_app(services.ports, CollectorRegistry(), open_sign_in(), quota=Quota(budget=Budget(parameters=9)))
    with TestClient(app) as api:
        assert "more than the 9 that control allows" in checked(api, {}).errors[0].message


def test_all_objections_are_named(api: TestClient) -> None:
    found = checked(api, {"spreadout": {"steps": 1_000_000}, "name": "a\x1bb"})
    assert len(found.errors) == 2


@pytest.mark.parametrize("body", ["[]", "1", '"plan"', "{"])
def test_what_is_no_object_is_refused(api: TestClient, body: str) -> None:
    answer = api.post("/v1/plans:check", content=body, headers={"Content-Type": "application/json"})
    problem(answer, 422, "Invalid input")
