"""The routes of runs: what they do, and how they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_control.api.routes.runs import PLAN_EXAMPLES
from fedface_control.operate.quota import Quota
from fedface_control.operate.run import create_run
from fedface_core.contracts import object_keys
from fedface_core.domain.budget import Budget
from fedface_core.domain.commands import ListIdentities, PrepareModel
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from support.in_process import InProcess
from support.open_sign_in import open_sign_in
from support.problem_details import problem

UNKNOWN = "run-00000000dead"


def test_a_run_is_created_from_a_plan(api: TestClient, services: InProcess, plan: Plan) -> None:
    response = api.post("/v1/runs", json=plan.model_dump(mode="json"))
    assert response.status_code == 201
    run = response.json()
    assert response.headers["location"] == f"/v1/runs/{run['id']}"
    assert (run["phase"], run["round"], run["rounds"], run["scores"]) == ("created", None, 1, None)
    assert Plan.model_validate(run["plan"]) == plan
    assert api.get(response.headers["location"]).json() == run
    assert Run.model_validate_json(services.ports.artifacts.get(object_keys.run(run["id"]))).plan == plan
    assert services.publisher.published == [], "it waits for its start"


@pytest.mark.parametrize("example", PLAN_EXAMPLES)
def test_the_documented_examples_are_plans(api: TestClient, example: str) -> None:
    assert api.post("/v1/runs", json=PLAN_EXAMPLES[example]["value"]).status_code == 201


WRONG_PLANS: dict[str, tuple[Any, dict[str, str]]] = {
    "unknown": ({"colour": "red"}, {"colour": "there is no such field"}),
    "nested unknown": ({"cohort": {"quota": 1}}, {"cohort.quota": "there is no such field"}),
    "wrong": ({"cohort": {"quorum": 0}}, {"cohort.quorum": "Input should be greater than 0"}),
    "two wrong": (
        {"rounds": 0, "seed": -1},
        {"rounds": "Input should be greater than 0", "seed": "Input should be greater than or equal to 0"},
    ),
    "architecture": ({"model": {"architecture": "resnet"}}, {"model.architecture": "there is no 'resnet'; "}),
    "strategy": ({"strategy": "fedaavg"}, {"strategy": "there is no 'fedaavg'; did you mean 'fedavg'?"}),
    "parameter": (
        {"strategy": {"name": "fedprox", "mu": 1}},
        {"strategy.mu": "there is no such field; fedprox has proximal"},
    ),
    "parameter of another": (
        {"strategy": "fedfv", "scal": 1},
        {"scal": "there is no such field; did you mean strategy.scale?"},
    ),
    "weights": ({"model": {"weights": "imagenet"}}, {"model.weights": "String should match pattern"}),
    "contradiction": ({"cohort": {"size": 50}}, {"": "cohort.size is 50, but split.clients is only 20"}),
    "contradiction within": ({"data": {"dataset": "folder"}}, {"data": "give `folder` (a path)"}),
    "too costly": ({"spreadout": {"steps": 1_000_000}}, {}),
    "no object": ([], {"": "a list is not a table of fields"}),
}


@pytest.mark.parametrize(("plan", "errors"), WRONG_PLANS.values(), ids=WRONG_PLANS.keys())
def test_a_wrong_plan_is_refused_by_field(
    api: TestClient, services: InProcess, plan: dict[str, Any], errors: dict[str, str]
) -> None:
    refused = problem(api.post("/v1/runs", json=plan), 422, "Invalid input")
    assert [error.field for error in refused.errors] == list(errors)
    for error, message in zip(refused.errors, errors.values(), strict=True):
        assert error.message.startswith(message)
        assert error.message in refused.detail
        assert error.field in refused.detail
    assert services.ports.ledger.runs() == []


def test_a_run_may_cost_what_the_setting_of_control_says(services: InProcess, plan: Plan) -> None:
    run = create_run(services.ports, plan)
    app = create_app(services.ports, CollectorRegistry(), open_sign_in(), quota=Quota(budget=Budget(parameters=9)))
    with TestClient(app) as api:
        answers = [
            api.post("/v1/runs", json=plan.model_dump(mode="json")),
            api.post(f"/v1/runs/{run.id}/clone", json={"seed": 1}),
        ]
        assert api.get(f"/v1/runs/{run.id}").status_code == 200, "what is stored is not judged again"
    for answer in answers:
        detail = problem(answer, 422, "Invalid input").detail
        assert "more than the 9 that control allows; lower model.widths" in detail


@pytest.mark.parametrize("character", ["\x1b", "\n", "\x7f", "\x9b", "\u202e", "\u2028"])
def test_a_name_that_steers_terminals_is_refused(api: TestClient, services: InProcess, plan: Plan, character: str) -> None:
    name = f"abc{character}d"
    refused = problem(api.post("/v1/runs", json={"name": name}), 422, "Invalid input")
    assert refused.detail.startswith(f"name is {name!r}, of which character 4 (U+{ord(character):04X}) cannot be shown")
    run = create_run(services.ports, plan)
    refused = problem(api.post(f"/v1/runs/{run.id}/clone", json={"name": name}), 422, "Invalid input")
    assert "character 4" in refused.detail
    assert [stored.id for stored in services.ports.ledger.runs()] == [run.id]


def test_a_stored_name_that_would_be_refused_now_breaks_no_list(api: TestClient, services: InProcess, plan: Plan) -> None:
    run = create_run(services.ports, plan)
    older = run.model_copy(update={"plan": plan.model_copy(update={"name": "abc\x1b[2J"})})
    services.ports.ledger.save(older, "run_renamed")
    assert api.get("/v1/runs").json()["runs"][0]["name"] == "abc\x1b[2J"
    assert api.get(f"/v1/runs/{run.id}").json()["plan"]["name"] == "abc\x1b[2J"
    renamed = api.post(f"/v1/runs/{run.id}/clone", json={"name": "study [/old]"})
    assert (renamed.status_code, renamed.json()["name"]) == (201, "study [/old]")


@pytest.mark.parametrize("key", ["a\tb", "caf\xe9", "\x7f"])
def test_an_idempotency_key_is_printable_ascii(api: TestClient, key: str) -> None:
    refused = api.post("/v1/runs", json={}, headers={"Idempotency-Key": key.encode("latin-1")})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "header.Idempotency-Key")


def test_a_run_is_started_once(api: TestClient, services: InProcess, plan: Plan) -> None:
    run = api.post("/v1/runs", json=plan.model_dump(mode="json")).json()
    started = api.post(f"/v1/runs/{run['id']}/start")
    assert (started.status_code, started.json()["phase"]) == (200, "preparing")
    assert services.publisher.commands == [PrepareModel(run_id=run["id"]), ListIdentities(run_id=run["id"])]
    refused = problem(api.post(f"/v1/runs/{run['id']}/start"), 409, "Wrong phase")
    assert refused.detail == f"cannot start: {run['id']} is preparing, which allows pause, pause now, cancel"
    assert len(services.publisher.commands) == 2


def test_a_run_is_cancelled_once(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    cancelled = api.post(f"/v1/runs/{run_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["phase"]) == (200, "cancelled")
    assert "is cancelled, which allows delete" in problem(api.post(f"/v1/runs/{run_id}/cancel"), 409, "Wrong phase").detail
    problem(api.post(f"/v1/runs/{run_id}/start"), 409, "Wrong phase")


def test_runs_are_listed_newest_first(api: TestClient, services: InProcess) -> None:
    assert api.get("/v1/runs").json() == {"runs": [], "unreadable": {}, "next": None, "looked_at": 0}
    older = services.start()
    services.clock.advance(1)
    newer = services.start()
    assert [run["id"] for run in api.get("/v1/runs").json()["runs"]] == [newer, older]


def test_runs_are_listed_a_page_at_a_time(api: TestClient, services: InProcess) -> None:
    created: list[str] = []
    for _ in range(5):
        services.clock.advance(1)
        created.insert(0, create_run(services.ports, services.plan).id)

    def page(**asked: Any) -> list[str]:
        return [run["id"] for run in api.get("/v1/runs", params=asked).json()["runs"]]

    assert page(limit=2) == created[:2]
    assert page(limit=2, before=created[1]) == created[2:4]
    assert page(before=created[3]) == created[4:]
    assert page(before=created[4]) == []
    assert api.get("/v1/runs", params={"limit": 2}).json()["next"] == created[1]
    assert api.get("/v1/runs", params={"limit": 5}).json()["next"] is None
    unknown = api.get("/v1/runs", params={"before": "run-00000000dead"})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "there is no run run-00000000dead")


def test_runs_are_filtered_by_text_phase_and_owner(api: TestClient, services: InProcess) -> None:
    paper = create_run(services.ports, services.plan.model_copy(update={"name": "Paper, arm 1"}))
    services.clock.advance(1)
    started = services.start()

    def page(**asked: Any) -> list[str]:
        return [run["id"] for run in api.get("/v1/runs", params=asked).json()["runs"]]

    assert page(text="paper") == [paper.id]
    assert page(text=started) == [started]
    assert page(phase="preparing") == [started]
    assert page(phase="created", text="nothing") == []
    assert page(owner="") == [started, paper.id]
    assert page(owner="somebody") == []
    wrong = api.get("/v1/runs", params={"phase": "flying"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "query.phase")
    assert api.get("/v1/runs", params={"text": "x" * 201}).status_code == 422


ASKS = [
    ("GET", ""),
    ("POST", "/start"),
    ("POST", "/cancel"),
    ("GET", "/rounds"),
    ("GET", "/rounds/0/report"),
    ("GET", "/events"),
    ("GET", "/model"),
]


@pytest.mark.parametrize(("method", "path"), ASKS)
def test_an_unknown_run_is_not_found(api: TestClient, method: str, path: str) -> None:
    assert problem(api.request(method, f"/v1/runs/{UNKNOWN}{path}"), 404, "Not found").detail == f"there is no run {UNKNOWN}"


@pytest.mark.parametrize("strategy", ["centralised", "public-only", "local-only", "chained"])
def test_a_strategy_for_one_process_is_refused(api: TestClient, services: InProcess, plan: Plan, strategy: str) -> None:
    whole = plan.model_dump(mode="json") | {"strategy": strategy, "aggregation": {}}
    whole["split"]["public"] = 2
    refused = problem(api.post("/v1/runs", json=whole), 422, "Invalid input")
    assert refused.detail.startswith(f"strategy: '{strategy}' is not for services")
    assert "simulate it with `fedface simulate`" in refused.detail
    original = create_run(services.ports, plan)
    problem(api.post(f"/v1/runs/{original.id}/clone", json={"strategy": strategy}), 422, "Invalid input")
    assert [run.id for run in services.ports.ledger.runs()] == [original.id]


def test_beyond_the_quota_no_run_is_created(api: TestClient, services: InProcess) -> None:
    run_id = api.post("/v1/runs", json={}).json()["id"]
    api.app.state.quota = Quota(runs=1)  # type: ignore[attr-defined]
    for path in ("/v1/runs", f"/v1/runs/{run_id}/clone"):
        assert "delete runs that have ended" in problem(api.post(path, json={}), 409, "Too many runs").detail
    api.app.state.quota = Quota(plan_bytes=100)  # type: ignore[attr-defined]
    for path in ("/v1/runs", f"/v1/runs/{run_id}/clone"):
        assert "100 are allowed" in problem(api.post(path, json={}), 422, "Invalid input").detail
