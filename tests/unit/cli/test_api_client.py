"""What the client makes of an API that misbehaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tenacity import wait_none

from fedface_cli import api_client, watching
from fedface_cli.api_client import ControlApi, RunEvent
from fedface_core.contracts.http import MODEL_SHA256_HEADER, PROBLEM_MEDIA_TYPE
from fedface_core.domain.errors import FedFaceError, InvalidInputError, UnavailableError, WrongPhaseError
from fedface_core.domain.plan import Plan

from .conftest import PLAN, ByHand

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
        (httpx.RemoteProtocolError("bad"), "broke off: bad"),
    ],
)
def test_a_transport_error_is_told_in_words(error: Exception, says: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(UnavailableError, match=says):
        api(answer).run(RUN)


Change = Callable[[ControlApi], object]
CHANGES: dict[str, Change] = {
    "create": lambda client: client.create(Plan()),
    "clone": lambda client: client.clone(RUN, {"rounds": 2}),
    "start": lambda client: client.start(RUN),
    "pause": lambda client: client.pause(RUN),
    "pause now": lambda client: client.pause(RUN, now=True),
    "resume": lambda client: client.resume(RUN),
    "cancel": lambda client: client.cancel(RUN),
    "delete": lambda client: client.delete(RUN, confirm=RUN),
    "restore": lambda client: client.restore(RUN),
    "close round": lambda client: client.close_round(RUN, 1),
    "retry round": lambda client: client.retry_round(RUN, 1),
    "skip evaluation": lambda client: client.skip_evaluation(RUN, 1),
}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    monkeypatch.setattr(api_client, "_PAUSES", wait_none())
    return []


def failing(sent: list[httpx.Request], *errors: Exception) -> ControlApi:
    """Raises one error after the other, then answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if len(sent) <= len(errors):
            raise errors[len(sent) - 1]
        return httpx.Response(200, json=_detail())

    return api(answer)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_sent_again_with_the_same_key(sent: list[httpx.Request], change: Change) -> None:
    change(failing(sent, httpx.ReadTimeout("slow"), httpx.ReadError("reset"), httpx.ConnectError("restarting")))
    assert len(sent) == 4
    assert len({(str(request.url), request.method, request.content) for request in sent}) == 1
    (key,) = {request.headers["Idempotency-Key"] for request in sent}
    assert len(key) == 32


def test_each_call_has_a_key_of_its_own(sent: list[httpx.Request]) -> None:
    client = failing(sent)
    client.start(RUN)
    client.start(RUN)
    assert sent[0].headers["Idempotency-Key"] != sent[1].headers["Idempotency-Key"]


def test_a_change_is_not_sent_again_where_nobody_was_there(sent: list[httpx.Request]) -> None:
    with pytest.raises(UnavailableError, match="no control API"):
        failing(sent, httpx.ConnectError("refused")).start(RUN)
    assert len(sent) == 1


def test_a_change_is_given_up_after_some_attempts(sent: list[httpx.Request]) -> None:
    with pytest.raises(UnavailableError, match="does not answer in time"):
        failing(sent, *[httpx.ReadTimeout("slow")] * 99).start(RUN)
    assert len(sent) == 5


def test_a_refusal_is_an_answer_and_not_asked_for_again(sent: list[httpx.Request]) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(409, text="no")

    with pytest.raises(WrongPhaseError):
        api(refuse).start(RUN)
    assert len(sent) == 1


class AnswersAreLost(httpx.BaseTransport):
    """The request arrives and is carried out; the first answer to it does not come back."""

    def __init__(self) -> None:
        self.inner = httpx.HTTPTransport()
        self.seen: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.inner.handle_request(request)
        key = request.headers.get("Idempotency-Key", "")
        if key and key not in self.seen:
            self.seen.add(key)
            response.read()
            response.close()
            raise httpx.ReadError("the connection broke")
        return response

    def close(self) -> None:
        self.inner.close()


@pytest.mark.usefixtures("sent")
def test_a_lost_answer_neither_loses_nor_doubles_a_request(api: ByHand) -> None:
    ledger = api.ports.ledger
    known = {run.id for run in ledger.runs()}
    with ControlApi(api.url, AnswersAreLost()) as client:
        run_id = client.create(PLAN).id
        clone = client.clone(run_id, {"rounds": 5}).id
        assert {run.id for run in ledger.runs()} - known == {run_id, clone}
        assert client.start(run_id).phase == "preparing"
        assert client.pause(run_id, now=True).phase == "paused"
        assert client.resume(run_id).phase == "preparing"
        assert client.cancel(run_id).phase == "cancelled"
        assert client.delete(run_id, confirm=run_id).phase == "deleting"
    story = [event.name for event in ledger.events(run_id)]
    assert story == [
        "run_created",
        "run_started",
        "run_paused",
        "run_resumed",
        "model_asked_for_again",
        "run_cancelled",
        "run_deleting",
    ]


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
    monkeypatch.setattr(watching, "_RETRY_SECONDS", 0.0)
    asked: list[str | None] = []
    ended = {"phase": "completed"}

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            return httpx.Response(200, json=_detail())
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
    monkeypatch.setattr(watching, "_RETRY_SECONDS", 0.0)
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


def _detail() -> dict[str, object]:
    return {
        "id": RUN,
        "name": "n",
        "phase": "completed",
        "round": 1,
        "rounds": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "plan": Plan().model_dump(mode="json"),
    }
