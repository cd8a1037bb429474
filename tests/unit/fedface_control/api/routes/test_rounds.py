"""The routes of rounds."""

from __future__ import annotations

import hashlib

import pytest
from fastapi.testclient import TestClient

from fedface_core.contracts import object_keys
from support.in_process import InProcess
from support.problem_details import problem


def test_a_report_that_is_not_there_yet_is_not_found(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    missing = problem(api.get(f"/v1/runs/{run_id}/rounds/0/report"), 404, "Artifact missing")
    assert missing.detail == f"there is no artifact runs/{run_id}/rounds/0/report.json"
    assert problem(api.get(f"/v1/runs/{run_id}/rounds/one/report"), 422, "Invalid input").errors[0].field == "path.number"


def test_rounds_are_listed_in_order_and_those_of_an_ended_run_stay_closed(api: TestClient, services: InProcess) -> None:
    run = services.run()
    assert [shown["number"] for shown in api.get(f"/v1/runs/{run.id}/rounds").json()["rounds"]] == [0, 1]
    refused = problem(api.post(f"/v1/runs/{run.id}/rounds/1/close"), 409, "Wrong phase")
    assert refused.detail.startswith(f"cannot close round: {run.id} is completed")


@pytest.mark.parametrize(
    ("asked", "numbers", "following"),
    [({}, [0, 1], None), ({"limit": 1}, [0], 0), ({"after": 0, "limit": 1}, [1], None), ({"after": 1}, [], None)],
)
def test_rounds_come_in_pages(
    api: TestClient, services: InProcess, asked: dict[str, int], numbers: list[int], following: int | None
) -> None:
    run = services.run()
    page = api.get(f"/v1/runs/{run.id}/rounds", params=asked).json()
    assert ([shown["number"] for shown in page["rounds"]], page["next"]) == (numbers, following)


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 1001}, {"after": -1}, {"after": 10**7}])
def test_pages_of_rounds_are_bounded(api: TestClient, services: InProcess, asked: dict[str, int]) -> None:
    problem(api.get(f"/v1/runs/{services.start()}/rounds", params=asked), 422, "Invalid input")


def test_one_round_is_shown_as_in_the_list(api: TestClient, services: InProcess) -> None:
    run = services.run()
    rounds = api.get(f"/v1/runs/{run.id}/rounds").json()["rounds"]
    assert [api.get(f"/v1/runs/{run.id}/rounds/{number}").json() for number in (0, 1)] == rounds
    problem(api.get(f"/v1/runs/{run.id}/rounds/2"), 404, "Not found")


def test_a_round_gives_its_model(api: TestClient, services: InProcess) -> None:
    run = services.run()
    model = api.get(f"/v1/runs/{run.id}/rounds/1/model")
    assert hashlib.sha256(model.content).hexdigest() == run.model_sha256
    assert f"{run.id}-1.safetensors" in model.headers["Content-Disposition"]


def test_a_round_without_a_model_says_so(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    refused = problem(api.get(f"/v1/runs/{run_id}/rounds/0/model"), 409, "Wrong phase")
    assert refused.detail == f"round 0 of {run_id} is open and has made no model version"
    problem(api.get(f"/v1/runs/{run_id}/rounds/1/model"), 404, "Not found")


def test_a_report_is_sent_once(api: TestClient, services: InProcess) -> None:
    path = f"/v1/runs/{services.run().id}/rounds/1/report"
    report = api.get(path)
    again = api.get(path, headers={"If-None-Match": report.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", report.headers["ETag"])
    assert api.get(path, headers={"If-None-Match": '"other"'}).content == report.content


def test_a_damaged_report_is_named_as_that(api: TestClient, services: InProcess) -> None:
    """It was an error that nobody foresaw, with a traceback in the log."""
    run = services.run()
    services.ports.artifacts.put(object_keys.report(run.id, 1), b"{}")
    problem(api.get(f"/v1/runs/{run.id}/rounds/1/report"), 500, "Damaged object")
