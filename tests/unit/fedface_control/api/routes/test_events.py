"""A run's audit trail as server-sent events: all of it, live, and from where a client was cut off."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from fedface_control.api.routes.events import EventStreams
from fedface_control.operate.run import cancel_run
from fedface_core.adapters.memory import MemoryLedger
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.run import RunPhase
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import RecordedEvent
from support.in_process import InProcess
from support.problem_details import problem

STORY = [
    "run_created",
    "run_started",
    "model_prepared",
    "identities_listed",
    *["round_opened", "round_closed", "round_aggregated", "round_finished"] * 2,
    "run_completed",
]


def stream(api: TestClient, run_id: str, **headers: str) -> list[dict[str, str]]:
    """The events of a stream that ends: each a mapping of its fields."""
    response = api.get(
        f"/v1/runs/{run_id}/events", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in response.text.replace("\r\n", "\n").split("\n\n") if block.strip()]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def recorded(events: list[dict[str, str]]) -> list[dict[str, str]]:
    return [event for event in events if event["event"] != "progress"]


def test_an_ended_run_tells_its_whole_story_and_the_stream_ends(api: TestClient, services: InProcess) -> None:
    run = services.run()
    events = stream(api, run.id)
    assert [event["event"] for event in recorded(events)] == STORY
    opened = json.loads(recorded(events)[4]["data"])
    assert (opened["round"], opened["round_phase"], opened["phase"]) == (0, "open", "running")
    assert opened["at"].startswith("2026-01-01T")
    progress = [json.loads(event["data"]) for event in events if event["event"] == "progress"]
    assert [shown["phase"] for shown in progress] == ["completed"]
    assert progress[0]["model_sha256"] == run.model_sha256
    assert all("id" in event for event in recorded(events))
    assert all("id" not in event for event in events if event["event"] == "progress")


@pytest.mark.parametrize("seen", [1, 5, len(STORY)])
def test_a_stream_resumes_after_the_last_event_that_was_seen(api: TestClient, services: InProcess, seen: int) -> None:
    run = services.run()
    events = recorded(stream(api, run.id))
    assert recorded(stream(api, run.id, last_event_id=events[seen - 1]["id"])) == events[seen:]


def test_a_stream_follows_a_run_until_it_ends(api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time the stream has shown all there was, one more thing happens; at last the operator cancels."""
    monkeypatch.setattr("fedface_control.api.run_feed.POLL_SECONDS", 0.001)
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    read = MemoryLedger.events
    unsettled = list(services.ports.ledger.load_round(run_id, 0).cohort)

    def happens_meanwhile(ledger: MemoryLedger, *args: Any) -> Any:
        found: list[RecordedEvent] = list(read(ledger, *args))
        if not found and unsettled:
            update = AcceptedUpdate(sha256="0" * 64, size=1, images=1)
            ledger.accept(run_id, 0, unsettled.pop(), update)
            services.clock.advance(1)  # the time that is left changes at every look, which is no change to tell of
        elif not found and ledger.load(run_id).phase is RunPhase.RUNNING:
            cancel_run(services.ports, run_id)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(MemoryLedger, "events", happens_meanwhile)
        events = stream(api, run_id)
    assert [event["event"] for event in recorded(events)] == [
        "run_created",
        "run_started",
        "model_prepared",
        "identities_listed",
        "round_opened",
        "run_cancelled",
    ]
    progress = [json.loads(event["data"]) for event in events if event["event"] == "progress"]
    assert list(dict.fromkeys(shown["accepted"] for shown in progress)) == [0, 1, 2, 3, 4]
    assert progress[-1]["phase"] == "cancelled"
    left = [shown.pop("seconds_left") for shown in progress]
    assert left[:5] == [1e6, 1e6 - 1, 1e6 - 2, 1e6 - 3, 1e6 - 4]
    assert all(one != other for one, other in pairwise(progress)), "only what changed is shown"


def test_a_stream_that_does_not_follow_ends_with_the_newest_event(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    response = api.get(f"/v1/runs/{run_id}/events", params={"follow": False})
    assert [line for line in response.text.splitlines() if line.startswith("event: ")] == [
        "event: run_created",
        "event: run_started",
        "event: model_prepared",
        "event: identities_listed",
        "event: round_opened",
        "event: progress",
    ]


def test_a_stream_ends_where_its_run_is_deleted(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedface_control.api.run_feed.POLL_SECONDS", 0.001)
    run_id = services.start()
    read = MemoryLedger.events

    def deleted_meanwhile(ledger: MemoryLedger, *args: Any) -> Any:
        found: list[RecordedEvent] = list(read(ledger, *args))
        if not found:
            ledger.delete(run_id)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(MemoryLedger, "events", deleted_meanwhile)
        events = stream(api, run_id)
    assert [event["event"] for event in recorded(events)] == ["run_created", "run_started"]


@pytest.mark.parametrize("wrong", ["garbage", "1", "-1-0", "99999999999999999999-0"])
def test_an_event_id_that_is_none_is_refused_before_the_stream_begins(
    api: TestClient, services: InProcess, wrong: str
) -> None:
    response = api.get(f"/v1/runs/{services.start()}/events", headers={"Last-Event-ID": wrong})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert f"{wrong!r} is not an event id" in response.json()["detail"]


def test_no_more_streams_are_open_than_may_be(api: TestClient, services: InProcess) -> None:
    run = services.run()
    streams: EventStreams = api.app.state.event_streams  # type: ignore[attr-defined]
    streams.most = 2
    streams.open = 2
    refused = api.get(f"/v1/runs/{run.id}/events")
    assert problem(refused, 503, "Busy").detail == "the API serves 2 event streams already; try again in 5 seconds"
    assert refused.headers["Retry-After"] == "5"
    assert api.get(f"/v1/runs/{run.id}").status_code == 200, "other requests are served"
    assert api.get("/v1/runs/run-unknown/events").status_code == 404
    streams.open = 1
    for _ in range(5):
        assert recorded(stream(api, run.id))
    assert streams.open == 1, "a stream that has ended does not count"


def test_no_run_and_no_client_takes_all_streams(api: TestClient, services: InProcess) -> None:
    run = services.run()
    streams: EventStreams = api.app.state.event_streams  # type: ignore[attr-defined]
    streams.of_runs["another run"] = streams.most_of_run
    streams.of_clients["192.0.2.1"] = streams.most_of_client
    assert recorded(stream(api, run.id))
    streams.of_runs[run.id] = streams.most_of_run
    refused = api.get(f"/v1/runs/{run.id}/events")
    assert problem(refused, 503, "Busy").detail.startswith("the API serves 50 event streams of this run already")
    assert refused.headers["Retry-After"] == "5"
    del streams.of_runs[run.id]
    streams.of_clients["testclient"] = streams.most_of_client
    refused = api.get(f"/v1/runs/{run.id}/events")
    assert problem(refused, 503, "Busy").detail.startswith("the API serves 50 event streams to testclient already")
    streams.of_clients["testclient"] -= 1
    assert recorded(stream(api, run.id))
    assert streams.of_clients["testclient"] == streams.most_of_client - 1, "a stream that has ended does not count"
    assert run.id not in streams.of_runs


def test_a_stream_ends_where_the_ledger_goes_away_and_leaves_one_line(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever follows connects again, and is told by a problem of status 503 why there is no stream."""
    run_id = services.start()
    read = MemoryLedger.events

    def away_after_the_first(ledger: MemoryLedger, *args: Any) -> Any:
        found = read(ledger, *args)
        if not found:
            raise UnavailableError("Redis at redis:6379 does not answer")
        return found

    monkeypatch.setattr("fedface_control.api.run_feed.POLL_SECONDS", 0.001)
    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(MemoryLedger, "events", away_after_the_first)
        events = stream(api, run_id)
    assert [event["event"] for event in recorded(events)] == ["run_created", "run_started"]
    assert [(record["event"], record["reason"]) for record in logs] == [
        ("event_stream_ended", "Redis at redis:6379 does not answer")
    ]
