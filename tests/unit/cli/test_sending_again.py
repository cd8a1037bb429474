"""Requests that change something are sent again where the connection broke, and carried out once."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from tenacity import wait_none

from fedface_cli import api_client
from fedface_cli.api_client import ControlApi
from fedface_core.domain.errors import UnavailableError, WrongPhaseError
from fedface_core.domain.plan import Plan
from support.api_by_hand import PLAN, ByHand

from .test_api_client import RUN, detail
from .test_api_client import api as connected

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
    monkeypatch.setattr(api_client, "RETRY_WAIT", wait_none())
    return []


def failing(sent: list[httpx.Request], *errors: Exception) -> ControlApi:
    """Raises one error after the other, then answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if len(sent) <= len(errors):
            raise errors[len(sent) - 1]
        return httpx.Response(200, json=detail())

    return connected(answer)


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
        connected(refuse).start(RUN)
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
