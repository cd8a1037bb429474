"""The routes of rounds."""

from __future__ import annotations

from fastapi.testclient import TestClient

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
