"""An API that is asked too often says when to ask again. Commands that follow a run do so, from their first request on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from limits.storage import MemoryStorage
from prometheus_client import CollectorRegistry

from fedface_cli import api_patience
from fedface_control.api.app import create_app
from support.api_by_hand import ByHand
from support.command_line import Invoke
from support.served_app import served
from support.signing_in import FIRST_KEY, closed_sign_in


@dataclass
class Busy:
    """An API that lets one request a minute in, and a clock on which a minute passes as soon as somebody waits."""

    by_hand: ByHand
    counts: MemoryStorage = field(default_factory=MemoryStorage)
    waited: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.counts.reset()


@pytest.fixture
def busy(api: ByHand, monkeypatch: pytest.MonkeyPatch) -> Iterator[Busy]:
    busy = Busy(api)
    app = create_app(api.ports, CollectorRegistry(), closed_sign_in(requests=1, counts=busy.counts))
    with served(app) as url:
        monkeypatch.setenv("FEDFACE_API_URL", url)
        monkeypatch.setenv("FEDFACE_TOKEN", FIRST_KEY)
        monkeypatch.setattr(api_patience, "time", SimpleNamespace(monotonic=time.monotonic, sleep=busy.wait))
        monkeypatch.setattr(api_patience, "RETRY_SECONDS", 0.01)
        yield busy


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("command", [("run", "watch"), ("run", "events", "--follow")], ids=" ".join)
def test_a_command_that_follows_a_run_waits_as_long_as_the_api_says(
    fedface: Invoke, busy: Busy, command: tuple[str, ...], asked_before: bool
) -> None:
    run_id = busy.by_hand.completed()
    if asked_before:
        assert fedface("whoami")[0] == 0
    code, out, err = fedface(*command, run_id)
    assert code == 0, err
    assert "run completed" in (out + err).replace("_", " ")
    assert "waiting for the control API" in err
    assert "try again in" in err
    assert busy.waited
    assert all(30 < seconds <= 60 for seconds in busy.waited), "as Retry-After says, unlike for an API that is away"


def test_another_command_ends_with_a_status_of_its_own(fedface: Invoke, busy: Busy) -> None:
    assert fedface("whoami")[0] == 0
    code, out, err = fedface("whoami", "--json")
    assert (code, out, busy.waited) == (5, "", [])
    problem = json.loads(err)
    assert (problem["status"], "requests in a minute; try again in" in problem["detail"]) == (429, True)
