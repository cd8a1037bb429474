"""The adversary: its kills are exactly as many as asked for and all inside the run, and its messages really come twice."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.tasks import CLIENT, CONTROL
from fedface_core.domain.commands import Sweep, TrainClients
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from loadtest.chaos.adversary import Adversary, Fault, draw_strikes
from loadtest.chaos.messages import BrokerAwayError, Messages
from loadtest.chaos.progress import Progress, end_of

ROUNDS = 2
EVERYONE = {"api", "control", "client", "aggregator", "evaluator", "valkey", "s3"}


class FakeServices:
    """Services that come back one step after they were killed, but for the one that is held."""

    def __init__(self) -> None:
        self.all = set(EVERYONE)
        self.running = set(EVERYONE)
        self.done: list[tuple[str, str]] = []
        self.held: list[str | None] = []

    @property
    def settled(self) -> set[str]:
        return set(self.running)

    def kill(self, name: str) -> None:
        assert name in self.running, "only what runs can be killed"
        self.running.remove(name)
        self.done.append(("kill", name))

    def freeze(self, name: str) -> None:
        self.done.append(("freeze", name))

    def cut(self, name: str) -> None:
        self.done.append(("cut", name))

    def tick(self, held: str | None = None) -> None:
        self.held.append(held)
        self.running = {name for name in self.all if name != held or name in self.running}


class NoMessages:
    """A broker without messages, or one that is away."""

    def __init__(self, away: bool = False) -> None:
        self.away = away

    def duplicate(self) -> None:
        if self.away:
            raise BrokerAwayError

    take = duplicate


def adversary_of(services: FakeServices, kills: int, seed: int = 0, messages: NoMessages | None = None) -> Adversary:
    draw = random.Random(seed)
    strikes = draw_strikes(draw, ROUNDS, kills, with_store=True)
    fake: Any = services
    broker: Any = messages or NoMessages()
    return Adversary(fake, broker, strikes, ROUNDS, draw)


def moments() -> list[Progress]:
    """A run at its own pace, seen thirty times."""
    amounts = [step * end_of(ROUNDS) / 29 for step in range(30)]
    return [Progress(min(int(amount), ROUNDS), "open", amount) for amount in amounts]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kills", [1, 8, 40])
def test_all_kills_happen_before_the_last_round_can_end(kills: int, seed: int) -> None:
    services = FakeServices()
    adversary = adversary_of(services, kills, seed)
    for moment in moments():
        adversary.step(moment)
    # What is left keeps the evaluator dead, and with it the run from its end.
    for _ in range(100):
        if not adversary.kills_left():
            break
        assert "evaluator" not in services.running
        adversary.step(None)
    assert adversary.kills_left() == 0
    assert sum(fault == "kill" for fault, _ in services.done) == kills
    assert sum(deed.fault is Fault.KILL for deed in adversary.deeds) == kills
    adversary.step(None)
    assert services.held[-1] is None
    assert services.running == EVERYONE


def test_a_run_that_rushes_to_its_last_round_is_held_there() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 12)
    adversary.step(Progress(0, "open", 0.5))
    adversary.step(Progress(ROUNDS, "open", ROUNDS + 0.4))
    assert services.done[-1] == ("kill", "evaluator")
    for _ in range(12):  # dead as the evaluator is, the run can still come to the point where it is needed
        adversary.step(Progress(ROUNDS, "evaluating", end_of(ROUNDS)))
    assert adversary.kills_left() == 0
    assert [name for fault, name in services.done if fault == "kill"].count("evaluator") <= 2
    assert sum(fault == "kill" for fault, _ in services.done) == 12


def test_nothing_happens_before_it_is_due() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 10)
    for _ in range(50):
        adversary.step(Progress(None, "created", 0.0))
    assert services.done == []


def test_everyone_is_killed_as_often_as_the_others() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 28, seed=3)
    for _ in range(28):
        adversary.step(Progress(1, "open", end_of(ROUNDS)))
    assert Counter(name for fault, name in services.done if fault == "kill") == dict.fromkeys(EVERYONE, 4)


def test_the_store_is_frozen_and_cut_and_the_seed_decides() -> None:
    deeds = []
    for seed in (5, 5, 6):
        services = FakeServices()
        adversary = adversary_of(services, 20, seed)
        for moment in moments():
            adversary.step(moment)
        deeds.append(services.done)
    assert {("freeze", "s3"), ("cut", "s3")} <= set(deeds[0])
    assert deeds[0] == deeds[1]
    assert deeds[0] != deeds[2]


def test_a_broker_that_is_away_stops_no_other_fault() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 5, messages=NoMessages(away=True))
    for _ in range(30):
        adversary.step(Progress(1, "open", end_of(ROUNDS)))
    assert adversary.kills_left() == 0
    assert not adversary.counts()["duplicate"]


@pytest.fixture
def publisher(broker_url: str) -> CeleryPublisher:
    return CeleryPublisher(
        create_celery(Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory="/"))
    )


def train(client: int) -> TrainClients:
    return TrainClients(run_id="run-0123456789ab", round=1, clients=(f"client-{client:06d}",))


def test_a_duplicate_is_there_twice_and_sweeps_are_left_alone(publisher: CeleryPublisher, broker_url: str) -> None:
    messages = Messages(broker_url, random.Random(0))
    publisher.publish_all([Sweep(), Sweep()], correlation_id="beat")
    assert messages.duplicate() is None
    assert publisher.queue_depth(CONTROL) == 2
    publisher.publish_all([train(1), train(2)], correlation_id="abc")
    copied = messages.duplicate()
    assert copied is not None
    assert (copied.queue, copied.task) == (CLIENT, "client.train")
    assert publisher.queue_depth(CLIENT) == 3
    assert [message.raw for message in messages.waiting()].count(copied.raw) == 2


def test_a_delayed_message_is_away_until_it_is_put_back(publisher: CeleryPublisher, broker_url: str) -> None:
    messages = Messages(broker_url, random.Random(0))
    assert messages.take() is None
    publisher.publish_all([train(1), train(2)], correlation_id="abc")
    taken = messages.take()
    assert taken is not None
    assert taken.raw not in [message.raw for message in messages.waiting()]
    assert publisher.queue_depth(CLIENT) == 1
    messages.put(taken)
    assert publisher.queue_depth(CLIENT) == 2


def test_a_broker_that_does_not_answer_is_told_apart_from_an_empty_one() -> None:
    with pytest.raises(BrokerAwayError):
        Messages("redis://:own@127.0.0.1:9/0", random.Random(0)).duplicate()
