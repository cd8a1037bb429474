"""What the client makes of answers that are lost, damaged or not the API's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenacity import wait_none

from fedface_cli import api_client
from fedface_cli.api_client import ControlApi
from fedface_control.api.routes import rounds as rounds_route
from fedface_core.contracts.http import MODEL_SHA256_HEADER, PROBLEM_MEDIA_TYPE
from fedface_core.domain.errors import NotFoundError, UnavailableError, WrongPhaseError
from fedface_core.domain.plan import Plan
from fedface_core.domain.role import Role
from fedface_core.ports import RoundSummary
from fedface_core.runtime.readable_rounds import readable_rounds
from support.api_answers import RUN, client_of, detail
from support.api_by_hand import ByHand


def test_an_answer_of_something_else_is_not_taken_for_ours() -> None:
    with pytest.raises(UnavailableError, match="not a control API of this version"):
        client_of(lambda _: httpx.Response(200, json={"hello": "world"})).runs()


def test_a_model_damaged_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    client = client_of(lambda _: httpx.Response(200, content=b"half", headers={MODEL_SHA256_HEADER: "0" * 64}))
    with pytest.raises(UnavailableError, match="arrived damaged"):
        client.download_model(RUN, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


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

    return client_of(answer)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_sent_again_with_the_same_key(sent: list[httpx.Request], change: Change) -> None:
    change(failing(sent, httpx.ReadTimeout("slow"), httpx.ReadError("reset"), httpx.ConnectError("restarting")))
    assert len(sent) == 4
    assert len({(str(request.url), request.method, request.content) for request in sent}) == 1
    (key,) = {request.headers["Idempotency-Key"] for request in sent}
    assert len(key) == 32


@pytest.mark.parametrize(
    ("error", "says"), [(httpx.ReadTimeout("slow"), "does not answer in time"), (httpx.ReadError("reset"), "broke: reset")]
)
def test_a_key_is_not_asked_for_again_and_its_user_told_that_it_may_be_there(
    sent: list[httpx.Request], error: Exception, says: str
) -> None:
    with pytest.raises(UnavailableError) as told:
        failing(sent, error).create_key("nightly", [Role.VIEWER], 30)
    assert len(sent) == 1
    assert "Idempotency-Key" not in sent[0].headers
    assert f"{says}; a key named 'nightly' may have been made" in str(told.value)
    assert "`fedface keys delete ID`, and try again" in str(told.value)


def test_no_key_was_made_where_nobody_was_there(sent: list[httpx.Request]) -> None:
    with pytest.raises(UnavailableError) as told:
        failing(sent, httpx.ConnectError("refused")).create_key("nightly", [Role.VIEWER], 30)
    assert "may have been made" not in str(told.value)


def test_each_call_has_a_key_of_its_own(sent: list[httpx.Request]) -> None:
    client = failing(sent)
    client.start(RUN)
    client.start(RUN)
    assert sent[0].headers["Idempotency-Key"] != sent[1].headers["Idempotency-Key"]


@pytest.mark.parametrize("restore", [lambda client: client.restore(RUN), lambda client: client.restore_all()])
def test_a_restoration_may_take_minutes_and_is_not_asked_for_again_meanwhile(restore: Change) -> None:
    sent: list[httpx.Request] = []

    def answer_to_the_patient(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.extensions["timeout"]["read"] < 300:
            raise httpx.ReadTimeout("slow")
        of_one = RUN in str(request.url)
        return httpx.Response(200, json=detail() if of_one else {"runs": [], "refused": {}})

    restore(client_of(answer_to_the_patient))
    assert len(sent) == 1


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
        told = {"title": "Wrong phase", "status": 409, "detail": "no"}
        return httpx.Response(409, json=told, headers={"content-type": PROBLEM_MEDIA_TYPE})

    with pytest.raises(WrongPhaseError):
        client_of(refuse).start(RUN)
    assert len(sent) == 1


NO_SUCH_KEY = httpx.Response(
    404, json={"title": "Not found", "status": 404, "detail": "no key"}, headers={"content-type": PROBLEM_MEDIA_TYPE}
)


@pytest.mark.parametrize("later", [httpx.Response(204), NO_SUCH_KEY])
def test_a_key_that_a_lost_request_deleted_is_deleted(sent: list[httpx.Request], later: httpx.Response) -> None:
    def lost_at_first(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if len(sent) == 1:
            raise httpx.ReadTimeout("slow")
        return later

    client_of(lost_at_first).delete_key("5f1d8c2ab07e43d9")
    assert len(sent) == 2


def test_a_key_that_was_not_there_is_said_not_to_be(sent: list[httpx.Request]) -> None:
    with pytest.raises(NotFoundError, match="no key"):
        client_of(lambda _: NO_SUCH_KEY).delete_key("5f1d8c2ab07e43d9")
    with pytest.raises(UnavailableError, match="no control API"):
        failing(sent, httpx.ConnectError("refused")).delete_key("5f1d8c2ab07e43d9")
    assert len(sent) == 1


class SmallPages(httpx.BaseTransport):
    """A connection to a real API on which each list of rounds is asked for in pages of ``limit`` rounds."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._real = httpx.HTTPTransport()
        self.pages = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/rounds"):
            self.pages += 1
            request.url = request.url.copy_merge_params({"limit": self._limit})
        return self._real.handle_request(request)

    def close(self) -> None:
        self._real.close()


@pytest.mark.parametrize(("limit", "pages"), [(1, 3), (2, 2), (3, 1), (1000, 1)])
def test_the_rounds_of_all_pages_of_the_real_api_are_one_list(api: ByHand, limit: int, pages: int) -> None:
    run_id = api.completed()
    transport = SmallPages(limit)
    with ControlApi(api.url, transport) as client:
        listed = client.rounds(run_id)
    assert ([view.number for view in listed.rounds], listed.next) == ([0, 1, 2], None)
    assert transport.pages == pages


def without_round_1(*asked: Any) -> tuple[list[RoundSummary], dict[int, str]]:
    """The rounds that can be read, of which round 1 is none."""
    readable, _ = readable_rounds(*asked)
    unreadable = {glance.round.number: "it is damaged" for glance in readable if glance.round.number == 1}
    return [glance for glance in readable if glance.round.number != 1], unreadable


def test_the_rounds_that_cannot_be_read_are_those_of_all_pages(api: ByHand) -> None:
    run_id = api.completed()
    with ControlApi(api.url, SmallPages(1)) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds_route, "readable_rounds", without_round_1)
        listed = client.rounds(run_id)
    assert [view.number for view in listed.rounds] == [0, 2]
    assert listed.unreadable == {1: "it is damaged"}
