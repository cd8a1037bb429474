"""Asynchronous runs between two rounds: a client that is done waits in the broker, and holds no worker meanwhile."""

from __future__ import annotations

import pytest

from fedface_control.operate.run import cancel_run
from fedface_core.domain.commands import ReduceRound, TrainClients
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from support.client_updates import before_updates
from support.in_process import Handler, InProcess
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Three clients train at once, and two updates fill the buffer."""
    return tiny_plan(
        write_faces(tmp_path_factory.mktemp("faces"), identities=5),
        split={"clients": 3},
        cohort={"size": 3, "quorum": 2, "minimum": 2, "shard_size": 1},
        aggregation={"mode": "asynchronous"},
        rounds=2,
    )


class BetweenRounds:
    """A run whose round 1 is full and is not aggregated yet, since the aggregator is slow; one client still trains."""

    def __init__(self, plan: Plan) -> None:
        self.services = InProcess(plan)
        self.run_id = self.services.start()
        self.services.until(self.run_id, lambda run: run.round == 1)
        self.correlation_id = self.run.correlation_id
        self.tasks = [command for command in self.services.publisher.commands if isinstance(command, TrainClients)]
        self.services.publisher.published.clear()
        self.reduce: Handler = self.services.handlers[ReduceRound]
        self.withheld: list[tuple[ReduceRound, str]] = []
        self.services.handlers[ReduceRound] = lambda *message: self.withheld.append(message)

    @property
    def run(self) -> Run:
        return self.services.ports.ledger.load(self.run_id)

    @property
    def last(self) -> TrainClients:
        """The task of the client that is not done when the buffer is full."""
        clients = tuple(client for task in self.tasks for client in task.clients)
        return TrainClients(run_id=self.run_id, round=1, clients=clients[-1:])

    def close(self) -> None:
        """Let the other clients fill the buffer, which closes the round."""
        clients = tuple(client for task in self.tasks for client in task.clients)[:-1]
        for client in clients:
            self.deliver(TrainClients(run_id=self.run_id, round=1, clients=(client,)))
        self.services.drain()
        assert self.services.ports.ledger.load_round(self.run_id, 1).phase is RoundPhase.AGGREGATING

    def deliver(self, task: TrainClients) -> None:
        self.services.deliver(task, self.correlation_id)

    def take_delayed(self) -> list[tuple[TrainClients, float]]:
        """What waits in the broker now, and for how long, in place of the clock of a broker."""
        delayed = [
            (command, seconds)
            for (command, _), seconds in self.services.publisher.delayed.items()
            if isinstance(command, TrainClients)
        ]
        self.services.publisher.delayed.clear()
        return delayed

    def aggregate(self) -> None:
        """Let the aggregator do what it was asked for, which opens round 2."""
        self.services.handlers[ReduceRound] = self.reduce
        for message in self.withheld:
            self.services.deliver(*message)
        self.services.until(self.run_id, lambda run: run.round == 2)


@pytest.fixture
def between(plan: Plan) -> BetweenRounds:
    return BetweenRounds(plan)


@pytest.mark.parametrize("begun", ["before", "after"])
def test_a_client_that_is_done_between_rounds_waits_in_the_broker(
    between: BetweenRounds, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    """It began to train before the round closed, or comes only after. It trains once, and counts in the next round."""
    trained: list[str] = []
    closing = [between.close] if begun == "before" else []

    def train(client: str) -> None:
        if client in between.last.clients:
            trained.append(client)
            while closing:
                closing.pop()()

    before_updates(monkeypatch, train)
    if begun == "after":
        between.close()
    now = between.services.clock.now()
    monotonic = between.services.clock.monotonic()
    between.deliver(between.last)
    assert (between.services.clock.now(), between.services.clock.monotonic()) == (now, monotonic), "no worker has slept"
    ((task, seconds),) = between.take_delayed()
    assert task == between.last
    assert 0 < seconds <= 1
    between.aggregate()
    between.deliver(task)
    assert between.take_delayed() == []
    ledger = between.services.ports.ledger
    (client,) = between.last.clients
    assert ledger.load_round(between.run_id, 2).carried == {client: 1}
    assert list(ledger.accepted(between.run_id, 2)) == [client]
    run = between.services.to_end(between.run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, 2)
    assert trained == [client]


def test_a_task_comes_back_at_growing_intervals_until_the_sweep_looks_after_its_client(between: BetweenRounds) -> None:
    between.close()
    between.deliver(between.last)
    waits: list[float] = []
    while delayed := between.take_delayed():
        ((task, seconds),) = delayed
        waits.append(seconds)
        between.services.clock.advance(seconds)
        between.deliver(task)
    assert sum(waits) == pytest.approx(30, abs=0.01)
    assert len(waits) < 25
    between.aggregate()
    assert between.services.to_end(between.run_id).phase is RunPhase.COMPLETED


def test_a_cancelled_run_is_not_waited_for(between: BetweenRounds) -> None:
    between.close()
    between.deliver(between.last)
    ((task, _),) = between.take_delayed()
    cancelled = cancel_run(between.services.ports, between.run_id)
    effects = len(between.services.effect_log.effects)
    between.deliver(task)
    assert between.take_delayed() == []
    assert between.services.publisher.commands == []
    assert len(between.services.effect_log.effects) == effects
    assert between.run == cancelled
