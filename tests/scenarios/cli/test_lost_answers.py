"""A request whose answer is lost is sent again, and carried out once."""

from __future__ import annotations

import httpx
import pytest
from tenacity import wait_none

from fedface_cli import api_client
from fedface_cli.api_client import ControlApi
from support.api_by_hand import PLAN, ByHand


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


def test_a_lost_answer_neither_loses_nor_doubles_a_request(api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "RETRY_WAIT", wait_none())
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
        deleting = client.delete(run_id, confirm=run_id)
        assert deleting is not None
        assert deleting.phase == "deleting"
    story = [event.name for event in ledger.events(run_id)]
    assert story == [
        "run_created",
        "run_started",
        "run_paused",
        "run_resumed",
        "preparation_asked_for_again",
        "run_cancelled",
        "run_deleting",
    ]
