"""A round of ten thousand clients: the real control code and the sweep, a clock that the test moves, devices that drop out.

All of the 13,000 enrolled devices are invited, and 10,000 updates are wanted: with `--stride 1`, and else their share of it.
Nothing trains: when its time has come, a device records an update in the ledger, as its client's task would.
"""

from __future__ import annotations

import gc
import heapq
import logging
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

import pytest
import structlog

from fedface_control.facts import handle_fact
from fedface_control.operate.round import skip_evaluation
from fedface_control.operate.run import create_run, start_run
from fedface_control.sweep import sweep
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, RecordingPublisher
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.commands import FoldShard, TrainClients
from fedface_core.domain.devices import Behaviour, RoundTask, behaviour
from fedface_core.domain.facts import EvaluationSkipped, IdentitiesListed, ModelPrepared, RoundAggregated
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from fedface_core.ports import Ports, RunLedger
from support.stride import Stride

ENROLLED = 13_000
WANTED = 10_000
SWEEP_SECONDS = 5.0
REPEAT_AFTER = timedelta(seconds=30)
UPDATE = AcceptedUpdate(sha256="c" * 64, size=1000, images=5)
AGGREGATION = Aggregation(
    model_sha256="b" * 64,
    class_embeddings_sha256="d" * 64,
    folded=ENROLLED,
    images=5 * ENROLLED,
    uploaded_bytes=100 * ENROLLED,
    refused={},
    update_norm=None,
    loss_before=None,
    spreadout_loss=0.0,
    mean_off_diagonal_cosine=0.0,
    max_off_diagonal_cosine=0.0,
)


class Fleet:
    """Control, all devices, and the time. A device holds its task until its time has come, then it answers."""

    def __init__(self, ledger: RunLedger, clock: ManualClock, plan: Plan) -> None:
        self.clock = clock
        self.plan = plan
        self.publisher = RecordingPublisher()
        self.ports = Ports(ledger, MemoryArtifacts(), self.publisher, clock)
        self.busy: list[tuple[datetime, str]] = []
        self.asked: Counter[str] = Counter()
        self.accepted: set[str] = set()
        self.late: set[str] = set()
        self.seconds: dict[str, list[float]] = {}
        self.run_id = ""

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds.setdefault(step, []).append(time.perf_counter() - started)

    def enrol(self) -> None:
        """Finish round 0 with an update of every client and invented results, which opens round 1."""
        ledger = self.ports.ledger
        self.run_id = create_run(self.ports, self.plan).id
        correlation_id = start_run(self.ports, self.run_id).correlation_id
        handle_fact(
            self.ports,
            IdentitiesListed(run_id=self.run_id, correlation_id=correlation_id, identity_list_sha256="b" * 64),
        )
        with self.timed("open round 0"):
            handle_fact(self.ports, ModelPrepared(run_id=self.run_id, model_sha256="a" * 64))
        for client in ledger.load_round(self.run_id, 0).cohort:
            ledger.accept(self.run_id, 0, client, UPDATE)
        with self.timed("close round 0"):
            sweep(self.ports, REPEAT_AFTER)
        digest = accepted_digest(ledger.accepted(self.run_id, 0))
        skip_evaluation(self.ports, self.run_id, 0)
        handle_fact(
            self.ports, RoundAggregated(run_id=self.run_id, round=0, accepted_digest=digest, aggregation=AGGREGATION)
        )
        self.publisher.published.clear()
        with self.timed("open round 1"):
            handle_fact(self.ports, EvaluationSkipped(run_id=self.run_id, round=0))

    def take_tasks(self) -> set[str]:
        """Hand the published tasks to their devices. Returns the clients of the tasks."""
        tasks = {
            client for command in self.publisher.commands if isinstance(command, TrainClients) for client in command.clients
        }
        assert len(tasks) == len(self.publisher.published) or not tasks, (
            "each device has one task, and there is nothing else"
        )
        self.publisher.published.clear()
        for client in tasks:
            self.asked[client] += 1
            device = self.device(client)
            if device.answers(RoundTask.TRAIN):
                at = self.clock.now() + timedelta(seconds=device.seconds + device.late_seconds)
                if self.ports.ledger.begin_attempt(self.run_id, 1, client):
                    heapq.heappush(self.busy, (at, client))
        return tasks

    def device(self, client: str) -> Behaviour:
        return behaviour(self.plan, client, 1, self.clock.now())

    def pass_time(self, seconds: float) -> None:
        """Let devices answer in order as their time comes."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while self.busy and self.busy[0][0] <= until:
            at, client = heapq.heappop(self.busy)
            self.clock.advance((at - self.clock.now()).total_seconds())
            receipt = self.ports.ledger.accept(self.run_id, 1, client, UPDATE)
            if receipt.refused is None:
                self.accepted.add(client)
            elif client not in self.accepted:
                self.late.add(client)
        self.clock.advance((until - self.clock.now()).total_seconds())

    def sweep_until_closed(self) -> Round:
        """Sweep until round 1 is closed; a sweep repeats the tasks of unsettled clients only."""
        while (current := self.ports.ledger.load_round(self.run_id, 1)).phase is RoundPhase.OPEN:
            asked = self.take_tasks()
            self.pass_time(SWEEP_SECONDS)
            unsettled = self.ports.ledger.tally(self.run_id, 1).unsettled
            with self.timed("sweep"):
                sweep(self.ports, REPEAT_AFTER)
            repeated = {
                client
                for command in self.publisher.commands
                if isinstance(command, TrainClients)
                for client in command.clients
            }
            assert repeated in (set(), unsettled)
            assert asked <= set(current.cohort)
        self.seconds["close round 1"] = [self.seconds["sweep"].pop()]
        return current

    def report(self, which: str) -> None:
        figures = ", ".join(f"{step} {max(times):.3f} s (of {len(times)})" for step, times in self.seconds.items())
        print(f"\n{which}: {figures}")


def plan_of(stride: Stride, **cohort: float) -> Plan:
    """Devices of which some drop out, some are late, and some are away for a while."""
    wanted = {"size": WANTED // stride.step, "over_selection": 1.3, "minimum": 1000 // stride.step, "deadline_seconds": 600}
    devices = {"mean_seconds": 20, "speed_spread": 0.5, "dropout": 0.04, "lateness": 0.1, "lateness_seconds": 60}
    return Plan.model_validate(
        {
            "split": {"clients": ENROLLED // stride.step, "test": 2},
            "cohort": wanted | cohort,
            "devices": devices | {"available_fraction": 0.7, "availability_period_seconds": 300},
            "rounds": 1,
        }
    )


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def fleet_of(ledger_url: str) -> partial[Fleet]:
    clock = ManualClock()
    return partial(Fleet, RedisLedger(ledger_url, clock=clock), clock)


def check_closed_with_exactly_those(fleet: Fleet, closed: Round) -> None:
    """The accepted set is what the devices counted themselves, and later updates are refused."""
    ledger = fleet.ports.ledger
    frozen = ledger.accepted(fleet.run_id, 1)
    assert frozen.keys() == fleet.accepted
    tally = ledger.tally(fleet.run_id, 1)
    assert tally.unsettled == set(closed.cohort) - fleet.accepted
    folds = {command.shard for command in fleet.publisher.commands if isinstance(command, FoldShard)}
    assert folds == tally.accepted_shards
    fleet.pass_time(1000)
    assert ledger.accepted(fleet.run_id, 1) == frozen
    for steps, most in (("open round 1", 20), ("sweep", 20), ("close round 1", 20)):
        assert max(fleet.seconds[steps]) < most  # the goal is 2 s; a busy machine is no failure


def test_the_quorum_closes_the_round(fleet_of: partial[Fleet], stride: Stride) -> None:
    fleet = fleet_of(plan_of(stride))
    fleet.enrol()
    closed = fleet.sweep_until_closed()
    fleet.report(type(fleet.ports.ledger).__name__)
    assert closed.closed_at is not None
    assert closed.closed_at <= closed.deadline_at
    assert len(closed.cohort) == ENROLLED // stride.step
    assert len(fleet.accepted) >= WANTED // stride.step
    assert any(asked > 1 for asked in fleet.asked.values()), "nobody was away, so that nothing was repeated"
    check_closed_with_exactly_those(fleet, closed)
    assert fleet.late, "everybody was in time"


def test_the_deadline_closes_the_round_with_those_who_are_there(fleet_of: partial[Fleet], stride: Stride) -> None:
    fleet = fleet_of(plan_of(stride, deadline_seconds=40))
    fleet.enrol()
    closed = fleet.sweep_until_closed()
    fleet.report(type(fleet.ports.ledger).__name__)
    assert closed.closed_at is not None
    assert closed.deadline_at < closed.closed_at <= closed.deadline_at + timedelta(seconds=2 * SWEEP_SECONDS)
    assert 1000 // stride.step <= len(fleet.accepted) < WANTED // stride.step
    check_closed_with_exactly_those(fleet, closed)


def test_control_keeps_nothing_of_a_rounds_clients(ledger_url: str, stride: Stride) -> None:
    """The records are in Redis: closing a round of all clients takes control a few megabytes for a moment."""
    clock = ManualClock()
    fleet = Fleet(RedisLedger(ledger_url, clock=clock), clock, plan_of(stride))
    fleet.enrol()
    fleet.publisher.published.clear()
    fleet.clock.advance(601)
    tracemalloc.start()
    sweep(fleet.ports, REPEAT_AFTER)
    _, peak = tracemalloc.get_traced_memory()
    fleet.publisher.published.clear()  # the next round's tasks, which a broker holds, not control
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fleet.ports.ledger.load_round(fleet.run_id, 1).phase is RoundPhase.ABANDONED
    print(f"\na sweep of {ENROLLED // stride.step} clients: {peak / 2**20:.1f} MiB at its peak, {kept / 2**20:.1f} MiB kept")
    assert peak < 64 * 2**20 / stride.step
    assert kept < 4 * 2**20 / stride.step
