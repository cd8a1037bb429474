"""Commands that follow a run outlast a restart of the control API. If it stays away, that has a status of its own."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fedface_cli import api_patience, run_commands
from fedface_cli.api_client import ControlApi
from fedface_control.api.app import create_app
from fedface_control.upkeep.retention import delete_run as remove
from fedface_core.ports import Ports
from fedface_stack.local_ports import free_ports
from support.api_by_hand import PLAN, ByHand
from support.command_line import Invoke
from support.open_sign_in import open_sign_in
from support.served_app import served

AWAY_SECONDS = 0.3
"""Some tries of a command."""


class RestartedApi:
    """A real control API on a port of its own, which can go away and come back."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._running = ExitStack()
        (self._port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        app = create_app(self._ports, CollectorRegistry(), open_sign_in())
        self._running.enter_context(served(app, port=self._port, cut_at_the_end=True))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture
def restarted(api: ByHand, monkeypatch: pytest.MonkeyPatch) -> Iterator[RestartedApi]:
    monkeypatch.setattr(api_patience, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(run_commands, "POLL_SECONDS", 0.05)
    server = RestartedApi(api.ports)
    monkeypatch.setenv("FEDFACE_API_URL", server.url)
    server.start()
    yield server
    server.stop()


def at_call(monkeypatch: pytest.MonkeyPatch, name: str, number: int = 1) -> threading.Event:
    """An event that is set when the command makes its ``number``-th call of this method of `ControlApi`."""
    reached = threading.Event()
    calls = itertools.count(1)
    method = getattr(ControlApi, name)

    def counted(*arguments: Any, **options: Any) -> Any:
        if next(calls) == number:
            reached.set()
        return method(*arguments, **options)

    monkeypatch.setattr(ControlApi, name, counted)
    return reached


@pytest.mark.parametrize("command", [("watch",), ("events", "--follow")])
def test_a_run_is_followed_across_a_restart_of_the_api(
    fedface: Invoke, api: ByHand, restarted: RestartedApi, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = api.started()
    follows = at_call(monkeypatch, "events")

    def restart() -> None:
        assert follows.wait(60)
        restarted.stop()
        for number in range(PLAN.rounds + 1):
            api.finish_round(run_id, number)
        time.sleep(AWAY_SECONDS)
        restarted.start()

    thread = threading.Thread(target=restart)
    thread.start()
    code, out, err = fedface("run", *command, run_id)
    thread.join()
    assert code == 0, err
    assert sum("round finished" in line for line in out.splitlines()) == PLAN.rounds + 1
    assert err.startswith("waiting for the control API, 120 s at most: ")
    assert restarted.url in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", [("watch",), ("events", "--follow"), ("delete", "--yes")])
def test_an_api_that_stays_away_is_no_failed_run(
    fedface: Invoke, api: ByHand, restarted: RestartedApi, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDFACE_PATIENCE_SECONDS", "0.5")
    now = 0.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds
        time.sleep(seconds)

    # Only the command's own pauses count: not how long the API takes to stop.
    monkeypatch.setattr(api_patience, "time", SimpleNamespace(monotonic=lambda: now, sleep=wait))
    run_id = api.completed() if "delete" in command else api.started()
    reached = at_call(monkeypatch, "run", 2) if "delete" in command else at_call(monkeypatch, "events")

    def stop() -> None:
        assert reached.wait(60)
        restarted.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    code, _, err = fedface("run", *command, run_id)
    thread.join()
    restarted.start()
    assert code == 5
    said, error = err.splitlines()
    assert said.startswith("waiting for the control API, 0.5 s at most: ")
    assert error.startswith(f"error: no control API at {restarted.url}")
    assert error.endswith("; it has been away for 0.5 s, which is the patience of FEDFACE_PATIENCE_SECONDS")


def test_a_deletion_is_awaited_across_a_restart_of_the_api(
    fedface: Invoke, api: ByHand, restarted: RestartedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = api.completed()
    polls = at_call(monkeypatch, "run", 2)

    def restart() -> None:
        assert polls.wait(60)
        restarted.stop()
        remove(api.ports, api.ports.ledger.load(run_id))
        time.sleep(AWAY_SECONDS)
        restarted.start()

    thread = threading.Thread(target=restart)
    thread.start()
    code, out, err = fedface("run", "delete", "--yes", run_id)
    thread.join()
    assert (code, out.splitlines()[-1]) == (0, f"{run_id} is gone")
    assert err.startswith("waiting for the control API")
