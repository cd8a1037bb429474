"""A run is followed across interruptions, live on a terminal and as lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from fedface_cli import api_patience, watching
from fedface_cli.api_client import ControlApi, RunEvent
from fedface_cli.api_patience import ApiPatience
from fedface_cli.plain_console import PlainConsole
from fedface_cli.run_display import RunDisplay
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
        yield b'id: 7-0\nevent: round_opened\ndata: {"at": "2026-01-02T03:04:05+00:00", "round": 1}\n\n'
        yield b": ping\n\n"
        raise httpx.ReadError("gone")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_patience, "RETRY_SECONDS", 0.01)


def test_following_goes_on_after_the_last_event_seen() -> None:
    asked: list[str | None] = []
    ended = {"at": "2026-01-02T03:04:05+00:00", "phase": "completed"}

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            return httpx.Response(200, json=detail())
        asked.append(request.headers.get("Last-Event-ID"))
        headers = {"content-type": "text/event-stream"}
        if len(asked) == 1:
            return httpx.Response(200, headers=headers, stream=Interrupted())
        return httpx.Response(200, headers=headers, text=f"id: 8-0\nevent: run_completed\ndata: {json.dumps(ended)}\n\n")

    events = list(watching.follow(client_of(answer), RUN, ApiPatience(pytest.fail)))
    assert events == [
        RunEvent("7-0", "round_opened", {"at": "2026-01-02T03:04:05+00:00", "round": 1}),
        RunEvent("8-0", "run_completed", ended),
    ]
    assert asked == [None, "7-0"]


def test_following_gives_up_on_an_api_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_PATIENCE_SECONDS", "0.2")
    now = 0.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(api_patience, "time", SimpleNamespace(monotonic=lambda: now, sleep=wait))
    asked = []
    said: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("refused")

    with pytest.raises(UnavailableError, match=r"no control API .* away for 0\.2 s"):
        list(watching.follow(client_of(answer), RUN, ApiPatience(said.append)))
    assert len(asked) > 5
    assert len(said) == 1


class Outages:
    """A completed run. Its API answers each fifth request only, and the ``spared`` first ones, with which a watch begins."""

    def __init__(self, spared: int) -> None:
        self.spared = spared
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        kind = 4 if self.asked <= self.spared else (self.asked - self.spared - 1) % 5
        match kind, request.url.path.rpartition("/")[2]:
            case 0, _:
                raise httpx.ConnectError("refused")
            case 1, _:
                return httpx.Response(502, text="bad gateway")
            case 2, _:
                return httpx.Response(503, text="the store is away")
            case 3, _:
                raise httpx.ReadTimeout("silence")
            case _, "rounds":
                return httpx.Response(200, json={"rounds": []})
            case _, "events":
                event = 'id: 8-0\nevent: round_finished\ndata: {"at": "2026-01-02T03:04:05+00:00", "round": 1}\n\n'
                return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=event)
            case _:
                return httpx.Response(200, json=detail())


def test_watching_in_lines_outlasts_outages_at_every_request(capsys: pytest.CaptureFixture[str]) -> None:
    outages = Outages(spared=1)
    run = watch(client_of(outages), RUN, PlainConsole(file=io.StringIO()))
    assert run is not None
    assert run.phase is RunPhase.COMPLETED
    assert outages.asked == 1 + 4 * 5
    announced = capsys.readouterr().err.splitlines()
    assert {line.partition(":")[0] for line in announced} == {"waiting for the control API, 120 s at most"}
    assert len(announced) == 4, "once for the stream, the rounds, the run at the end of the stream, and the run at the end"


def test_the_live_display_outlasts_outages_and_says_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(RunDisplay, "waiting", property(lambda _: "", lambda _, reason: shown.append(reason)), raising=False)
    run = watch(client_of(Outages(spared=2)), RUN, terminal(80))
    assert run is not None
    assert run.phase is RunPhase.COMPLETED
    assert any(reason.startswith("waiting for the control API, 120 s at most: ") for reason in shown)
    assert shown[-1] == ""


def test_following_ends_with_whatever_it_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("silence")

    def check() -> None:
        raise FedFaceError("a worker died")

    with pytest.raises(FedFaceError, match="a worker died"):
        list(watching.follow(client_of(answer), RUN, ApiPatience(lambda _: None, check)))


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
