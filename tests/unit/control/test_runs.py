"""The routes of runs: what they do, what they show, and how they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient
from httpx import Response

from fedface_control.api.routes.runs import PLAN_EXAMPLES
from fedface_control.operate.run import create_run
from fedface_core.adapters.memory.ledger import MemoryLedger
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import Problem
from fedface_core.domain.commands import PrepareModel
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from support.in_process import InProcess

UNKNOWN = "run-00000000dead"


def problem(response: Response, status: int, title: str) -> Problem:
    """The problem details of an error, which has nothing else in its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    shown = Problem.model_validate(response.json())
    assert response.json().keys() == Problem.model_fields.keys()
    assert (shown.status, shown.title, shown.type) == (status, title, "about:blank")
    return shown


def test_a_run_is_created_from_a_plan(api: TestClient, services: InProcess, plan: Plan) -> None:
    response = api.post("/runs", json=plan.model_dump(mode="json"))
    assert response.status_code == 201
    run = response.json()
    assert response.headers["location"] == f"/runs/{run['id']}"
    assert (run["phase"], run["round"], run["rounds"], run["scores"]) == ("created", None, 1, None)
    assert Plan.model_validate(run["plan"]) == plan
    assert api.get(response.headers["location"]).json() == run
    assert Run.model_validate_json(services.ports.artifacts.get(object_keys.run(run["id"]))).plan == plan
    assert services.publisher.published == [], "it waits for its start"


@pytest.mark.parametrize("example", PLAN_EXAMPLES)
def test_the_documented_examples_are_plans(api: TestClient, example: str) -> None:
    assert api.post("/runs", json=PLAN_EXAMPLES[example]["value"]).status_code == 201


WRONG_PLANS: dict[str, tuple[Any, dict[str, str]]] = {
    "unknown": ({"colour": "red"}, {"colour": "there is no such field"}),
    "nested unknown": ({"cohort": {"quota": 1}}, {"cohort.quota": "there is no such field"}),
    "wrong": ({"cohort": {"quorum": 0}}, {"cohort.quorum": "Input should be greater than 0"}),
    "two wrong": (
        {"rounds": 0, "seed": -1},
        {"rounds": "Input should be greater than 0", "seed": "Input should be greater than or equal to 0"},
    ),
    "architecture": ({"model": {"architecture": "resnet"}}, {"model.architecture": "Input should be 'spherenet-4'"}),
    "weights": ({"model": {"weights": "imagenet"}}, {"model.weights": "String should match pattern"}),
    "contradiction": ({"cohort": {"size": 50}}, {"": "cohort.size is 50, but split.clients is only 20"}),
    "contradiction within": ({"data": {"dataset": "folder"}}, {"data": "give `folder` (a path)"}),
    "no object": ([], {"": "Input should be a valid dictionary"}),
}


@pytest.mark.parametrize(("plan", "errors"), WRONG_PLANS.values(), ids=WRONG_PLANS.keys())
def test_a_wrong_plan_is_refused_by_field(
    api: TestClient, services: InProcess, plan: dict[str, Any], errors: dict[str, str]
) -> None:
    refused = problem(api.post("/runs", json=plan), 422, "Invalid input")
    assert [error.field for error in refused.errors] == list(errors)
    for error, message in zip(refused.errors, errors.values(), strict=True):
        assert error.message.startswith(message)
        assert error.message in refused.detail
        assert error.field in refused.detail
    assert services.ports.ledger.runs() == []


@pytest.mark.parametrize(("body", "message"), [(b"{", "the body is not JSON"), (b"", "is required")])
def test_a_body_that_is_no_json_is_refused(api: TestClient, body: bytes, message: str) -> None:
    refused = problem(api.post("/runs", content=body, headers={"Content-Type": "application/json"}), 422, "Invalid input")
    assert message in refused.detail


def test_a_body_that_is_no_text_is_refused(api: TestClient) -> None:
    refused = problem(api.post("/runs", content=b"\xff", headers={"Content-Type": "application/json"}), 400, "Bad Request")
    assert refused.detail == "POST /runs: There was an error parsing the body"


def test_a_run_is_started_once(api: TestClient, services: InProcess, plan: Plan) -> None:
    run = api.post("/runs", json=plan.model_dump(mode="json")).json()
    started = api.post(f"/runs/{run['id']}/start")
    assert (started.status_code, started.json()["phase"]) == (200, "preparing")
    assert services.publisher.commands == [PrepareModel(run_id=run["id"])]
    refused = problem(api.post(f"/runs/{run['id']}/start"), 409, "Wrong phase")
    assert refused.detail == f"cannot start: {run['id']} is preparing, which allows pause, pause now, cancel"
    assert len(services.publisher.commands) == 1


def test_a_run_is_cancelled_once(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    cancelled = api.post(f"/runs/{run_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["phase"]) == (200, "cancelled")
    assert "is cancelled, which allows delete" in problem(api.post(f"/runs/{run_id}/cancel"), 409, "Wrong phase").detail
    problem(api.post(f"/runs/{run_id}/start"), 409, "Wrong phase")


def test_a_running_run_shows_its_round_and_who_has_answered(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1 and services.ports.ledger.tally(run_id, 1).accepted == 2)
    run = api.get(f"/runs/{run_id}").json()
    assert (run["phase"], run["round"], run["round_phase"]) == ("running", 1, "open")
    assert (run["invited"], run["accepted"], run["failed"]) == (4, 2, 0)
    enrolment = services.ports.ledger.load_round(run_id, 0)
    assert enrolment.scores is not None
    assert run["scores"] == enrolment.scores.model_dump(), "until round 1 has its own"


def test_an_ended_run_shows_its_model_and_its_rounds(api: TestClient, services: InProcess) -> None:
    ended = services.run()
    run = api.get(f"/runs/{ended.id}").json()
    assert (run["phase"], run["model_sha256"], run["failure"]) == ("completed", ended.model_sha256, None)
    rounds = api.get(f"/runs/{ended.id}/rounds").json()["rounds"]
    assert [(shown["number"], shown["phase"], shown["invited"], shown["accepted"]) for shown in rounds] == [
        (0, "finished", 4, 4),
        (1, "finished", 4, 4),
    ]
    assert rounds[1]["aggregation"]["model_sha256"] == ended.model_sha256
    assert rounds[1]["scores"] == run["scores"]
    report = api.get(f"/runs/{ended.id}/rounds/1/report").json()
    assert report["scores"] == run["scores"]
    assert len(report["roc"]["far"]) == len(report["roc"]["tar"]) > 1


def test_a_failed_run_says_why(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    for client in services.ports.ledger.load_round(run_id, 0).cohort:
        services.ports.ledger.fail(run_id, 0, client, "no photographs", services.clock.now())
    services.publisher.published.clear()
    services.to_end(run_id)
    assert api.get(f"/runs/{run_id}").json()["failure"] == "round 0: 0 updates were accepted, fewer than the minimum 1"
    (shown,) = api.get(f"/runs/{run_id}/rounds").json()["rounds"]
    assert (shown["phase"], shown["failed"]["client-000002"]) == ("abandoned", "no photographs")


def test_runs_are_listed_newest_first(api: TestClient, services: InProcess) -> None:
    assert api.get("/runs").json() == {"runs": []}
    older = services.start()
    services.clock.advance(1)
    newer = services.start()
    assert [run["id"] for run in api.get("/runs").json()["runs"]] == [newer, older]


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
    assert problem(api.request(method, f"/runs/{UNKNOWN}{path}"), 404, "Not found").detail == f"there is no run {UNKNOWN}"


def test_a_report_that_is_not_there_yet_is_not_found(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    missing = problem(api.get(f"/runs/{run_id}/rounds/0/report"), 404, "Artifact missing")
    assert missing.detail == f"there is no artifact runs/{run_id}/rounds/0/report.json"
    assert problem(api.get(f"/runs/{run_id}/rounds/one/report"), 422, "Invalid input").errors[0].field == "path.number"


def test_an_unknown_path_and_a_wrong_method_are_problems_too(api: TestClient) -> None:
    assert problem(api.get("/walks"), 404, "Not Found").detail == "GET /walks: Not Found"
    assert problem(api.delete("/runs"), 405, "Method Not Allowed").detail == "DELETE /runs: Method Not Allowed"


def test_a_ledger_that_is_down_is_a_503_that_says_why(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise UnavailableError("Redis at redis:6379 does not answer")

    monkeypatch.setattr(services.ports.ledger, "runs", down)
    assert problem(api.get("/runs"), 503, "Unavailable").detail == "Redis at redis:6379 does not answer"


def test_an_unforeseen_error_shows_no_traceback(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(services.ports.ledger, "runs", crash)
    with structlog.testing.capture_logs() as logs:
        response = api.get("/runs")
    problem(response, 500, "Internal error")
    assert "secret detail" not in response.text
    assert "Traceback" not in response.text
    (crashed,) = (entry for entry in logs if entry["event"] == "request_crashed")
    assert isinstance(crashed["exc_info"], ZeroDivisionError), "the log has it"


@pytest.mark.parametrize("strategy", ["centralised", "local-only"])
def test_a_strategy_for_one_process_is_refused(api: TestClient, services: InProcess, plan: Plan, strategy: str) -> None:
    whole = plan.model_dump(mode="json") | {"strategy": strategy, "aggregation": {}}
    refused = problem(api.post("/runs", json=whole), 422, "Invalid input")
    assert refused.detail.startswith(f"strategy: '{strategy}' is not for services")
    original = create_run(services.ports, plan)
    problem(api.post(f"/runs/{original.id}/clone", json={"strategy": strategy}), 422, "Invalid input")
    assert [run.id for run in services.ports.ledger.runs()] == [original.id]


def test_vectorised_clients_are_refused(api: TestClient, services: InProcess, plan: Plan) -> None:
    whole = plan.model_dump(mode="json")
    whole["local_training"]["vectorised_clients"] = 2
    refused = problem(api.post("/runs", json=whole), 422, "Invalid input")
    assert refused.detail.startswith("local_training.vectorised_clients is for a simulation in one process")
    assert not services.ports.ledger.runs()


def test_runs_are_listed_a_page_at_a_time(api: TestClient, services: InProcess) -> None:
    created: list[str] = []
    for _ in range(5):
        services.clock.advance(1)
        created.insert(0, create_run(services.ports, services.plan).id)

    def page(**asked: Any) -> list[str]:
        return [run["id"] for run in api.get("/runs", params=asked).json()["runs"]]

    assert page(limit=2) == created[:2]
    assert page(limit=2, before=created[1]) == created[2:4]
    assert page(before=created[3]) == created[4:]
    assert page(before=created[4]) == []
    unknown = api.get("/runs", params={"before": "run-00000000dead"})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "there is no run run-00000000dead")


def test_looking_reads_no_cohort(api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a run, at its rounds, at the metrics costs the same however many clients a round has."""
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)

    def whole(*_: object) -> None:
        raise AssertionError("the whole round was read")

    for reading in ("load_round", "rounds", "tally", "accepted"):
        monkeypatch.setattr(MemoryLedger, reading, whole)
    for path in (f"/runs/{run_id}", "/runs", f"/runs/{run_id}/rounds", "/metrics", f"/runs/{run_id}/events?follow=false"):
        assert api.get(path).status_code == 200, path
