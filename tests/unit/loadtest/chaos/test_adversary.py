"""The adversary: exactly as many kills as asked for, all before the run can end, and drawn by the seed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from loadtest.chaos.adversary import Adversary, FaultKind, plan_faults
from loadtest.chaos.messages import BrokerUnavailableError
from loadtest.chaos.progress import Progress, last_evaluation_at

ROUNDS = 2
EVERYONE = {"control", "sweep", "client", "aggregator", "evaluator", "valkey", "s3"}


class FakeServices:
    """Services that start again one step after they were killed, but for the one that is kept dead."""

    def __init__(self) -> None:
        self.names = set(EVERYONE)
        self.running = set(EVERYONE)
        self.done: list[tuple[str, str]] = []
        self.kept_dead: list[str | None] = []

    @property
    def stable(self) -> set[str]:
        return set(self.running)

    def kill(self, name: str) -> None:
        assert name in self.running, "only what runs can be killed"
        self.running.remove(name)
        self.done.append(("kill", name))

    def freeze(self, name: str) -> None:
        self.done.append(("freeze", name))

    def cut(self, name: str) -> None:
        self.done.append(("cut", name))

    def put_clock_wrong(self, name: str) -> None:
        assert name in self.running, "only what runs can be restarted"
        self.done.append(("clock", name))

    def fill(self, name: str) -> None:
        self.done.append(("fill", name))

    def tick(self, kept_dead: str | None = None) -> None:
        self.kept_dead.append(kept_dead)
        self.running = {name for name in self.names if name != kept_dead or name in self.running}


class NoMessages:
    """A broker without messages, or one that does not answer."""

    def __init__(self, away: bool = False) -> None:
        self.away = away

    def duplicate(self) -> None:
        if self.away:
            raise BrokerUnavailableError

    take = duplicate


class FakeRefusal:
    """A Redis that refuses writes until the next step."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def begin(self) -> bool:
        self.done.append("begin")
        return len(self.done) > 2  # the first two times it is away

    def tick(self) -> None:
        """It goes on."""

    def end(self) -> None:
        self.done.append("end")


def adversary_of(
    services: FakeServices,
    kills: int,
    seed: int = 0,
    messages: NoMessages | None = None,
    refusal: FakeRefusal | None = None,
) -> Adversary:
    draws = random.Random(seed)
    faults = plan_faults(draws, ROUNDS, kills, with_store=True)
    fake: Any = services
    broker: Any = messages or NoMessages()
    writes: Any = refusal or FakeRefusal()
    return Adversary(fake, broker, faults, ROUNDS, draws, writes)


def moments() -> list[Progress]:
    """A run at its own pace, seen thirty times."""
    amounts = [step * last_evaluation_at(ROUNDS) / 29 for step in range(30)]
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
    assert sum(fault.kind is FaultKind.KILL for fault in adversary.injected) == kills
    adversary.step(None)
    assert services.kept_dead[-1] is None
    assert services.running == EVERYONE


def test_a_run_that_reaches_its_last_round_too_soon_cannot_end() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 12)
    adversary.step(Progress(0, "open", 0.5))
    adversary.step(Progress(ROUNDS, "open", ROUNDS + 0.4))
    assert services.done[-1] == ("kill", "evaluator")
    for _ in range(12):  # dead as the evaluator is, the run can still come to the point where it is needed
        adversary.step(Progress(ROUNDS, "evaluating", last_evaluation_at(ROUNDS)))
    assert adversary.kills_left() == 0
    assert [name for fault, name in services.done if fault == "kill"].count("evaluator") <= 2
    assert sum(fault == "kill" for fault, _ in services.done) == 12


@pytest.mark.parametrize("kills", [1, 8])
def test_a_run_cannot_end_while_its_store_is_too_young_to_be_disturbed(kills: int) -> None:
    services = FakeServices()
    adversary = adversary_of(services, kills)
    services.names.remove("s3")
    adversary.step(Progress(0, "open", 0.0))
    for moment in moments() + moments()[-1:] * 20:
        adversary.step(moment)
    assert adversary.kills_left() == 0
    assert "evaluator" not in services.running
    services.names.add("s3")
    for _ in range(5):
        adversary.step(None)
    assert {"freeze", "cut", "fill"} <= {fault for fault, _ in services.done}
    assert services.running == EVERYONE


def test_nothing_happens_before_it_is_due() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 10)
    for _ in range(50):
        adversary.step(Progress(None, "created", 0.0))
    assert services.done == []


def test_every_service_is_killed_equally_often() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 28, seed=3)
    for _ in range(28):
        adversary.step(Progress(1, "open", last_evaluation_at(ROUNDS)))
    assert Counter(name for fault, name in services.done if fault == "kill") == dict.fromkeys(EVERYONE, 4)


def test_the_store_is_frozen_cut_and_filled_and_the_seed_decides() -> None:
    injected = []
    for seed in (5, 5, 6):
        services = FakeServices()
        adversary = adversary_of(services, 20, seed)
        for moment in moments():
            adversary.step(moment)
        injected.append(services.done)
    assert {("freeze", "s3"), ("cut", "s3"), ("fill", "s3")} <= set(injected[0])
    assert injected[0] == injected[1]
    assert injected[0] != injected[2]


def test_the_clock_of_each_of_these_services_goes_wrong_once_and_before_the_last_round_ends() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 4)
    services.names.remove("client")  # it is away, so that the sweep comes first
    adversary.step(Progress(1, "open", last_evaluation_at(ROUNDS) - 1))
    services.names.add("client")
    for moment in moments():
        adversary.step(moment)
    assert [name for fault, name in services.done if fault == "clock"] == ["sweep", "client"]
    assert adversary.counts()["clock"] == {"client": 1, "sweep": 1}


def test_a_refusal_of_writes_is_tried_until_redis_answers() -> None:
    refusal = FakeRefusal()
    adversary = adversary_of(FakeServices(), 20, refusal=refusal)
    for moment in moments():
        adversary.step(moment)
    assert refusal.done == ["begin"] * 5
    assert adversary.counts()["refusal"] == {"valkey": 3}


def test_a_broker_that_is_away_stops_no_other_fault() -> None:
    services = FakeServices()
    adversary = adversary_of(services, 5, messages=NoMessages(away=True))
    for _ in range(30):
        adversary.step(Progress(1, "open", last_evaluation_at(ROUNDS)))
    assert adversary.kills_left() == 0
    assert not adversary.counts()["duplicate"]
