"""A run is followed across interruptions, live on a terminal and as lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fedface_cli import watching
from fedface_cli.api_client import ControlApi, RunEvent
from fedface_cli.watching import event_line, watch
from fedface_control.operate.round import retry_round
from fedface_control.operate.run import pause_run, resume_run
from fedface_core.domain.errors import FedFaceError, UnavailableError
from fedface_core.domain.run import RunPhase
from support.api_answers import RUN, client_of, detail
from support.api_by_hand import PLAN, ByHand
from support.command_line import Invoke, terminal


class Interrupted(httpx.SyncByteStream):
    """A stream that breaks off after its first event and a keep-alive."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'id: 7-0\nevent: round_opened\ndata: {"phase": "running", "round": 1}\n\n'
        yield b": ping\n\n"
        raise httpx.ReadError("gone")


def test_following_goes_on_after_the_last_event_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RETRY_SECONDS", 0.0)
    asked: list[str | None] = []
    ended = {"phase": "completed"}

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            return httpx.Response(200, json=detail())
        asked.append(request.headers.get("Last-Event-ID"))
        headers = {"content-type": "text/event-stream"}
        if len(asked) == 1:
            return httpx.Response(200, headers=headers, stream=Interrupted())
        return httpx.Response(200, headers=headers, text=f"id: 8-0\nevent: run_completed\ndata: {json.dumps(ended)}\n\n")

    events = list(watching.follow(client_of(answer), RUN))
    assert events == [
        RunEvent("7-0", "round_opened", {"phase": "running", "round": 1}),
        RunEvent("8-0", "run_completed", ended),
    ]
    assert asked == [None, "7-0"]


def test_following_gives_up_on_an_api_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RETRY_SECONDS", 0.0)
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("refused")

    with pytest.raises(UnavailableError, match="no control API"):
        list(watching.follow(client_of(answer), RUN))
    assert 5 < len(asked) < 20


def test_following_ends_with_whatever_it_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("silence")

    def check() -> None:
        raise FedFaceError("a worker died")

    with pytest.raises(FedFaceError, match="a worker died"):
        list(watching.follow(client_of(answer), RUN, check))


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("run_started", {"phase": "preparing"}, "run started"),
        ("round_closed", {"round": 3, "because": "deadline"}, "round 3: round closed: deadline"),
        ("round_abandoned", {"round": 3, "because": "too few", "failure": "x"}, "round 3: round abandoned: too few"),
        ("run_failed", {"failure": "round 1: no disk"}, "run failed: round 1: no disk"),
        ("waiting", {"service": "client", "reason": "no store"}, "client is waiting: no store"),
        ("waiting", {"service": "client", "reason": "no store", "round": 2}, "round 2: client is waiting: no store"),
    ],
)
def test_an_event_is_a_line(name: str, data: dict[str, Any], line: str) -> None:
    assert event_line(RunEvent("1-0", name, data)) == line


def test_a_run_is_watched_through_a_pause_and_an_abandoned_round(api: ByHand, fedface: Invoke) -> None:
    run_id = api.started()
    api.finish_round(run_id, 0)
    retry_round(api.ports, run_id, 1)
    pause_run(api.ports, run_id, now=True)
    resume_run(api.ports, run_id)
    api.ports.ledger.save(api.ports.ledger.load(run_id), "waiting", detail={"service": "client", "reason": "[no] store"})
    for number in (2, 3):
        api.finish_round(run_id, number)
    code, out, _ = fedface("run", "watch", run_id)
    lines = out.splitlines()
    assert code == 0
    story = ["round 1: round abandoned: an operator retried it", "round 2: round opened", "round 2: run paused"]
    story += ["round 2: run resumed", "client is waiting: [no] store", "round 2: round closed: settled"]
    assert [line for line in lines if line in story] == story
    assert lines[-1] == f"{run_id} completed: 2 of 2 rounds are finished"


def test_the_live_display_of_a_run_with_an_abandoned_round(api: ByHand) -> None:
    run_id = api.started()
    api.finish_round(run_id, 0)
    retry_round(api.ports, run_id, 1)
    for number in (2, 3):
        api.finish_round(run_id, number)
    console = terminal(80)
    with ControlApi(api.url) as client:
        run = watch(client, run_id, console)
    shown = console.export_text()
    assert run is not None
    assert (run.phase, run.round, run.finished_rounds) == (RunPhase.COMPLETED, 3, PLAN.rounds)
    for expected in (
        "round 3, 2 of 2 finished",
        "round 1 was abandoned: an operator retried it",
        "2 of 2 rounds are finished",
    ):
        assert expected in shown


def test_the_live_display_ends_with_the_whole_story(api: ByHand) -> None:
    run_id = api.completed()
    console = terminal(120)
    with ControlApi(api.url) as client:
        run = watch(client, run_id, console)
    assert run is not None
    assert run.phase is RunPhase.COMPLETED
    shown = console.export_text()
    for expected in (run_id, "completed", "2 of 2 finished", "3 of 3", "80.00 %", "82.00 %", "+0.098"):
        assert expected in shown
