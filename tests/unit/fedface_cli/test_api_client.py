"""What the client makes of answers that are lost, damaged or not the API's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tenacity import wait_none

from fedface_cli import api_client
from fedface_cli.api_client import ControlApi
from fedface_core.contracts.http import MODEL_SHA256_HEADER
from fedface_core.domain.errors import UnavailableError, WrongPhaseError
from fedface_core.domain.plan import Plan
from support.api_answers import RUN, client_of, detail


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
        client_of(refuse).start(RUN)
    assert len(sent) == 1
