"""What the API shows of runs and rounds."""

from __future__ import annotations

from fastapi.testclient import TestClient

from fedface_control.operate.run import cancel_run, pause_run
from support.in_process import InProcess


def test_a_running_run_shows_its_round_and_who_has_answered(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1 and services.ports.ledger.tally(run_id, 1).accepted == 2)
    run = api.get(f"/v1/runs/{run_id}").json()
    assert (run["phase"], run["round"], run["round_phase"]) == ("running", 1, "open")
    assert (run["invited"], run["accepted"], run["failed"]) == (4, 2, 0)
    enrolment = services.ports.ledger.load_round(run_id, 0)
    assert enrolment.scores is not None
    assert run["scores"] == enrolment.scores.model_dump(), "until round 1 has its own"


def test_an_ended_run_shows_its_model_and_its_rounds(api: TestClient, services: InProcess) -> None:
    ended = services.run()
    run = api.get(f"/v1/runs/{ended.id}").json()
    assert (run["phase"], run["model_sha256"], run["failure"]) == ("completed", ended.model_sha256, None)
    rounds = api.get(f"/v1/runs/{ended.id}/rounds").json()["rounds"]
    assert [(shown["number"], shown["phase"], shown["invited"], shown["accepted"]) for shown in rounds] == [
        (0, "finished", 4, 4),
        (1, "finished", 4, 4),
    ]
    assert rounds[1]["aggregation"]["model_sha256"] == ended.model_sha256
    assert rounds[1]["scores"] == run["scores"]
    report = api.get(f"/v1/runs/{ended.id}/rounds/1/report").json()
    assert report["scores"] == run["scores"]
    assert len(report["roc"]["far"]) == len(report["roc"]["tar"]) > 1


def test_a_failed_run_says_why(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    for client in services.ports.ledger.load_round(run_id, 0).cohort:
        services.ports.ledger.fail(run_id, 0, client, "no photographs")
    services.publisher.published.clear()
    services.to_end(run_id)
    failure = "round 0: 0 updates were accepted, fewer than the minimum 1; 4 of 4 failed clients: no photographs"
    assert api.get(f"/v1/runs/{run_id}").json()["failure"] == failure
    (shown,) = api.get(f"/v1/runs/{run_id}/rounds").json()["rounds"]
    assert (shown["phase"], shown["failed"]["client-000002"]) == ("abandoned", "no photographs")


def test_an_open_round_shows_the_time_that_is_left_by_the_ledgers_clock(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    before = api.get(f"/v1/runs/{run_id}").json()["seconds_left"]
    assert before == services.plan.cohort.deadline_seconds
    services.clock.advance(90)
    assert api.get(f"/v1/runs/{run_id}").json()["seconds_left"] == before - 90
    pause_run(services.ports, run_id, now=True)
    services.clock.advance(1000)
    assert api.get(f"/v1/runs/{run_id}").json()["seconds_left"] == before - 90, "it stands still"
    cancel_run(services.ports, run_id)
    assert api.get(f"/v1/runs/{run_id}").json()["seconds_left"] is None


def test_updates_that_came_late_are_counted_in_the_run_and_in_its_round(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    for client in services.ports.ledger.load_round(run_id, 1).cohort[:2]:
        services.ports.ledger.record_late(run_id, 1, client)
    assert api.get(f"/v1/runs/{run_id}").json()["late"] == 2
    rounds = api.get(f"/v1/runs/{run_id}/rounds").json()["rounds"]
    assert [shown["late"] for shown in rounds] == [0, 2]


def test_a_run_that_no_worker_serves_says_which_is_missing(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    assert api.get(f"/v1/runs/{run_id}").json()["waits_because"] is None
    services.publisher.without_workers |= {"client"}
    why = api.get(f"/v1/runs/{run_id}").json()["waits_because"]
    assert why == "no client worker computes on the CPU: start a client worker with FEDFACE_DEVICE=cpu"
    services.publisher.without_workers.clear()
    assert api.get(f"/v1/runs/{run_id}").json()["waits_because"] is None
