"""Receivers of webhooks as control's worker tells them: real HTTP servers that are well, down, slow or answer 500."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook

from fedface_control.webhooks.delivery import Delivery, Pace
from fedface_control.webhooks.receiver import Receiver
from fedface_control.webhooks.start import start_deliveries
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.runtime.settings import ControlSettings
from fedface_stack.local_ports import free_ports
from support.control_rounds import Control
from support.metrics import counter
from support.monitoring import Receiver as Server
from support.monitoring import Request, receiving
from support.servers import wait_for

SECRET = "whsec_" + "A" * 40
QUICK = Pace(attempts=50, first_pause=0.01, longest_pause=0.05)


def types(server: Server) -> list[str]:
    """The types of the messages that a receiver has had, each id once, all with a right signature."""
    found = {}
    for request in server.received:
        body = Webhook(SECRET).verify(request.body, request.headers)
        found[request.headers["webhook-id"]] = body["type"]
    return list(found.values())


class Deliveries:
    """Runs in memory, and a thread for each receiver, as control's worker has them."""

    def __init__(self, ending: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fedface_control.webhooks.delivery.LOOK_SECONDS", 0.01)
        self.control = Control.empty()
        self._ending = ending
        self._stopped = threading.Event()
        ending.callback(self._stopped.set)

    def to(self, url: str, **seconds: float) -> None:
        ports = self.control.ports
        delivery = Delivery(ports.ledger, ports.clock, Receiver(url, SECRET, **seconds), QUICK)
        delivery.look()
        thread = threading.Thread(target=delivery.run, args=(self._stopped,), daemon=True)
        thread.start()
        self._ending.callback(thread.join)
        self._ending.callback(self._stopped.set)

    def run(self) -> str:
        """A run with events of three kinds."""
        run_id = self.control.create().id
        for name in ("round_opened", "waiting", "round_closed"):
            self.control.ports.ledger.record_event(run_id, name, {"round": 0})
        return run_id


TOLD = ["run.created", "round.opened", "round.closed"]


@pytest.fixture
def deliveries(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deliveries]:
    with ExitStack() as ending:
        yield Deliveries(ending, monkeypatch)


def test_a_receiver_is_told_of_runs_and_rounds_signed_and_in_order(deliveries: Deliveries) -> None:
    with receiving() as server:
        deliveries.to(server.url)
        run_id = deliveries.run()
        wait_for("the receiver's messages", lambda: len(server.received) == 3)
        time.sleep(0.1)
        assert types(server) == TOLD
        assert len(server.received) == 3, "each once, as nothing has failed"
        assert {json.loads(request.body)["data"]["run"] for request in server.received} == {run_id}


def test_a_receiver_that_answers_500_for_a_while_misses_nothing(deliveries: Deliveries) -> None:
    failing = [500, 500, 503, 500]

    def answer(_request: Request) -> int:
        return failing.pop() if failing else 204

    before = counter("webhooks", outcome="failed"), counter("webhooks", outcome="dropped")
    with receiving(answer=answer) as server:
        deliveries.to(server.url)
        deliveries.run()
        wait_for("the receiver's messages", lambda: len(types(server)) == 3)
        assert types(server) == TOLD
    assert (counter("webhooks", outcome="failed") - before[0], counter("webhooks", outcome="dropped") - before[1]) == (4, 0)


def test_a_receiver_that_is_down_is_told_once_it_is_back(deliveries: Deliveries) -> None:
    (port,) = free_ports(1)
    before = counter("webhooks", outcome="failed")
    deliveries.to(f"http://127.0.0.1:{port}")
    deliveries.run()
    wait_for("a failure", lambda: counter("webhooks", outcome="failed") > before)
    with receiving(port) as server:
        wait_for("the receiver's messages", lambda: len(server.received) >= 3)
        assert types(server) == TOLD


def test_a_slow_receiver_keeps_no_other_one_waiting_and_is_told_in_the_end(deliveries: Deliveries) -> None:
    slow = threading.Event()

    def answer(_request: Request) -> int:
        slow.wait(0.3)
        return 204

    with receiving() as quick, receiving(answer=answer) as server:
        deliveries.to(server.url, answer_seconds=0.05)
        deliveries.to(quick.url)
        deliveries.run()
        wait_for("the receiver's messages", lambda: len(quick.received) == 3)
        assert types(server) in ([], TOLD[:1])
        slow.set()
        wait_for("the receiver's messages", lambda: types(server) == TOLD)


def test_the_settings_start_it_on_a_real_ledger(valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedface_control.webhooks.delivery.LOOK_SECONDS", 0.02)
    ledger = RedisLedger(valkey_url)
    stopped = threading.Event()
    control = Control.empty()
    run = control.create()
    with receiving() as server:
        settings = ControlSettings(
            redis_url=SecretStr(valkey_url),
            artifacts="directory",
            artifact_directory=tmp_path,
            webhook_urls=(server.url,),
            webhook_secret=SecretStr(SECRET),
        )
        start_deliveries(settings, stopped)
        try:
            with redis.Redis.from_url(valkey_url) as client:  # once it was named, it is told of what happens
                receiver = Receiver(server.url, SECRET)
                wait_for("its name", lambda: bool(client.hexists("fedface:receivers", receiver.name)))
            ledger.create(run)
            wait_for("the receiver's messages", lambda: types(server) == ["run.created"])
        finally:
            stopped.set()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"webhook_urls": "http://example.org/hook"}, "FEDFACE_WEBHOOK_SECRET"),
        ({"webhook_urls": "ftp://example.org/hook", "webhook_secret": SECRET}, "is https://host/path"),
        ({"webhook_urls": "/hook", "webhook_secret": SECRET}, "is https://host/path"),
        ({"webhook_urls": "https://user:secret@example.org/", "webhook_secret": SECRET}, "with credentials"),
        ({"webhook_urls": "https://example.org:99999/", "webhook_secret": SECRET}, "is https://host/path"),
        ({"webhook_urls": " ".join(["https://example.org/"] * 11), "webhook_secret": SECRET}, "at most 10"),
        ({"webhook_urls": "https://example.org/", "webhook_secret": "whsec_short"}, "24 to 64 random bytes"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_REDIS_URL", "redis://redis")
    monkeypatch.setenv("FEDFACE_ARTIFACTS", "directory")
    monkeypatch.setenv("FEDFACE_ARTIFACT_DIRECTORY", "/nowhere")
    for name, value in settings.items():
        monkeypatch.setenv(f"FEDFACE_{name.upper()}", value)
    with pytest.raises(ValidationError, match=problem):
        ControlSettings()
