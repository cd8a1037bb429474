"""What the client makes of an API that misbehaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from fedface_cli import watching
from fedface_cli.api_client import ControlApi, RunEvent
from fedface_core.contracts.http import MODEL_SHA256_HEADER, PROBLEM_MEDIA_TYPE
from fedface_core.domain.errors import FedFaceError, InvalidInputError, UnavailableError
from fedface_core.domain.plan import Plan

RUN = "run-0123456789ab"


def api(answer: Callable[[httpx.Request], httpx.Response]) -> ControlApi:
    return ControlApi("http://control", transport=httpx.MockTransport(answer))


def test_a_problem_names_its_fields() -> None:
    problem = {
        "title": "Invalid input",
        "status": 422,
        "detail": "the plan is wrong",
        "errors": [{"field": "cohort.quorum", "message": "must be positive"}],
    }
    client = api(lambda _: httpx.Response(422, json=problem, headers={"content-type": PROBLEM_MEDIA_TYPE}))
    with pytest.raises(InvalidInputError, match=r"(?s)the plan is wrong.*cohort\.quorum: must be positive"):
        client.create(Plan())


def test_an_error_of_another_kind_of_server_is_told_by_its_status() -> None:
    with pytest.raises(FedFaceError, match="http://control/runs answered 502 Bad Gateway"):
        api(lambda _: httpx.Response(502, text="<html>")).runs()


def test_an_answer_of_something_else_is_not_taken_for_ours() -> None:
    with pytest.raises(UnavailableError, match="not a control API of this version"):
        api(lambda _: httpx.Response(200, json={"hello": "world"})).runs()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectError("refused"), "no control API at http://control"),
        (httpx.ReadTimeout("slow"), "does not answer in time"),
        (httpx.RemoteProtocolError("bad"), "broke: bad"),
    ],
)
def test_a_transport_error_is_told_in_words(error: Exception, says: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(UnavailableError, match=says):
        api(answer).run(RUN)


def test_a_model_damaged_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    client = api(lambda _: httpx.Response(200, content=b"half", headers={MODEL_SHA256_HEADER: "0" * 64}))
    with pytest.raises(UnavailableError, match="arrived damaged"):
        client.download_model(RUN, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


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

    events = list(watching.follow(api(answer), RUN))
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
        list(watching.follow(api(answer), RUN))
    assert 5 < len(asked) < 20


def test_following_ends_with_whatever_it_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("silence")

    def check() -> None:
        raise FedFaceError("a worker died")

    with pytest.raises(FedFaceError, match="a worker died"):
        list(watching.follow(api(answer), RUN, check))


def detail() -> dict[str, object]:
    return {
        "id": RUN,
        "name": "n",
        "phase": "completed",
        "round": 1,
        "rounds": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "plan": Plan().model_dump(mode="json"),
    }
