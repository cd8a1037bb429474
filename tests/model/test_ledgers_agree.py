"""The ledger in memory is a model of the one in Redis: hypothesis calls both alike, and their answers are equal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fedface_core.adapters.memory import ManualClock, MemoryLedger
from fedface_core.adapters.redis.keys import ACTIVE, DELETED, LEFTOVERS, RUNS
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.failures import client_step, shard_step
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, open_round
from fedface_core.domain.round_phase import MASKED_PHASES
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import EndedRound, RunLedger
from support.stride import Stride

EXAMPLES = 100
STEPS = 30
T0 = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
DEADLINE = 100.0
PLAN = Plan.model_validate(
    {"split": {"clients": 4}, "cohort": {"shard_size": 2, "quorum": 2, "minimum": 1, "deadline_seconds": DEADLINE}}
)
RUN_IDS = ("run-00000000000a", "run-00000000000b")

run_ids = st.sampled_from(RUN_IDS)
numbers = st.integers(0, 2)
clients = st.integers(0, 4).map(client_id)  # the last of them is never invited
cohorts = st.sets(st.integers(0, 3), min_size=1).map(lambda found: tuple(client_id(index) for index in sorted(found)))
steps = st.sampled_from(
    ["control.sweep", shard_step(0), shard_step(1), client_step(client_id(0)), client_step(client_id(1))]
)
reasons = st.sampled_from(["OSError: no space in /a/17", "OSError: no space in /a/18", "KeyError: '7\u00a0…'", "%d - % .*"])
updates = st.integers(0, 9).map(lambda digit: AcceptedUpdate(sha256=str(digit) * 64, size=10, images=1 + digit))


class LedgerMachine(RuleBasedStateMachine):
    """Two ledgers, and every call of them, sensible or not."""

    url: ClassVar[str]
    completed: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(T0)
        with redis.Redis.from_url(self.url) as server:
            server.flushdb()
        self.memory = MemoryLedger(self.clock)
        self.redis = RedisLedger(self.url, clock=self.clock)

    @rule(run_id=run_ids)
    def create(self, run_id: str) -> None:
        run = Run(id=run_id, plan=PLAN, correlation_id="abc", created_at=self.clock.now())
        self.both(lambda ledger: ledger.create(run))

    @rule(run_id=run_ids, phase=st.sampled_from(RunPhase), stale=st.sampled_from([0, 0, 0, 1]))
    def change_the_run(self, run_id: str, phase: RunPhase, stale: int) -> None:
        def change(ledger: RunLedger) -> Run:
            run = ledger.load(run_id)
            goes_to = RunPhase.DELETING if run.phase in ENDED else phase  # what has ended never starts again
            changed = {"phase": goes_to, "version": run.version - stale, "requests": {"key": goes_to.value}}
            return ledger.save(run.model_copy(update=changed), "changed", detail={"because": "operator"})

        self.both(change)

    @rule(run_id=run_ids, cohort=cohorts)
    def open(self, run_id: str, cohort: tuple[str, ...]) -> None:
        def next_round(ledger: RunLedger) -> Run:
            run = ledger.load(run_id)
            number = len(ledger.rounds(run_id))
            opened = open_round(PLAN, run_id, number, cohort, "0" * 64, self.clock.now())
            return ledger.save(run.in_round(number), "round_opened", opened=opened)

        self.both(next_round)

    @rule(
        run_id=run_ids,
        number=numbers,
        phase=st.sampled_from(RoundPhase),
        found=st.none() | st.sampled_from(sorted(MASKED_PHASES)),
        moved=st.sampled_from([0.0, DEADLINE]),
    )
    def change_a_round(self, run_id: str, number: int, phase: RoundPhase, found: RoundPhase | None, moved: float) -> None:
        def change(ledger: RunLedger) -> Run:
            current = ledger.load_round(run_id, number)
            deadline = current.deadline_at + timedelta(seconds=moved)
            suspended_from = found if phase is RoundPhase.SUSPENDED else None
            changed = {"phase": phase, "deadline_at": deadline, "suspended_from": suspended_from}
            return ledger.save(ledger.load(run_id), "round_changed", changed=current.model_copy(update=changed))

        self.both(change)

    @rule(run_id=run_ids, number=numbers, client=clients, kind=st.sampled_from(Deposit), digit=st.integers(0, 9))
    def deposit(self, run_id: str, number: int, client: str, kind: Deposit, digit: int) -> None:
        self.both(lambda ledger: ledger.record_deposit(run_id, number, kind, client, str(digit) * 64))

    @rule(run_id=run_ids, number=numbers, client=clients)
    def begin(self, run_id: str, number: int, client: str) -> None:
        self.both(lambda ledger: ledger.begin_attempt(run_id, number, client))

    @rule(run_id=run_ids, number=numbers, some=st.lists(clients, min_size=1, unique=True))
    def begin_some(self, run_id: str, number: int, some: list[str]) -> None:
        self.both(lambda ledger: list(ledger.begin_attempts(run_id, number, some)))

    @rule(run_id=run_ids, number=numbers, client=clients, update=updates)
    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate) -> None:
        self.both(lambda ledger: ledger.accept(run_id, number, client, update))

    @rule(run_id=run_ids, number=numbers, some=st.sets(clients, min_size=1), update=updates)
    def accept_all(self, run_id: str, number: int, some: set[str], update: AcceptedUpdate) -> None:
        self.both(lambda ledger: ledger.accept_all(run_id, number, dict.fromkeys(some, update)))

    @rule(run_id=run_ids, number=numbers, client=clients)
    def fail(self, run_id: str, number: int, client: str) -> None:
        self.both(lambda ledger: ledger.fail(run_id, number, client, "no photographs"))

    @rule(run_id=run_ids, number=numbers, client=clients)
    def come_late(self, run_id: str, number: int, client: str) -> None:
        self.both(lambda ledger: ledger.record_late(run_id, number, client))

    @rule(run_id=run_ids, number=numbers, shard=st.integers(0, 1))
    def fold(self, run_id: str, number: int, shard: int) -> None:
        self.both(lambda ledger: ledger.record_partial(run_id, number, shard))

    @rule(run_id=run_ids, number=numbers, client=clients)
    def take_back(self, run_id: str, number: int, client: str) -> None:
        self.both(lambda ledger: ledger.take_back_attempt(run_id, number, client))

    @rule(run_id=run_ids, number=st.none() | numbers, step=steps, reason=reasons)
    def a_step_fails(self, run_id: str, number: int | None, step: str, reason: str) -> None:
        self.both(lambda ledger: ledger.record_failure(run_id, number, step, reason))

    @rule(run_id=run_ids, number=st.none() | numbers, step=steps)
    def a_step_succeeds(self, run_id: str, number: int | None, step: str) -> None:
        self.both(lambda ledger: ledger.forget_failures(run_id, number, step))

    @rule(run_id=run_ids, number=numbers)
    def touch(self, run_id: str, number: int) -> None:
        self.both(lambda ledger: ledger.touch(run_id, number))

    @rule(seconds=st.sampled_from([0.000_001, 1.0, DEADLINE]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(run_id=run_ids)
    def delete(self, run_id: str) -> None:
        self.both(lambda ledger: ledger.delete(run_id))

    @rule(run_id=run_ids)
    def lose(self, run_id: str) -> None:
        """The servers forget all of a run, and that it was deleted."""
        self.memory.lose(run_id)
        with redis.Redis.from_url(self.url) as server:
            for key in server.keys(f"fedface:{{{run_id}}}:*"):
                server.delete(key)
            for index in (RUNS, ACTIVE, DELETED, LEFTOVERS):
                server.zrem(index, run_id)

    @rule(run_id=run_ids)
    def nothing_is_left(self, run_id: str) -> None:
        self.both(lambda ledger: ledger.forget_leftovers(run_id))

    @invariant()
    def they_remember_the_same_deleted_runs(self) -> None:
        for before in (self.clock.now(), self.clock.now() + timedelta(microseconds=1)):
            assert self.memory.leftovers(before) == self.redis.leftovers(before)
        for run_id in RUN_IDS:
            assert self.memory.was_deleted(run_id) == self.redis.was_deleted(run_id)

    @rule(run_id=run_ids, lost=st.booleans())
    def restore(self, run_id: str, lost: bool) -> None:
        """Restore a run from what the ledger had of its ended rounds."""

        def known(ledger: RunLedger) -> tuple[Run, list[EndedRound]]:
            return ledger.load(run_id), [
                EndedRound(done, ledger.accepted(run_id, done.number), ledger.failed(run_id, done.number))
                for done in ledger.rounds(run_id)
                if done.phase in (RoundPhase.FINISHED, RoundPhase.ABANDONED)
            ]

        if stored := self.both(known):
            if lost:
                self.lose(run_id)
            self.both(lambda ledger: ledger.restore(*stored))

    @invariant()
    def they_know_the_same(self) -> None:
        self.both(lambda ledger: [*ledger.runs()])
        self.both(lambda ledger: [*ledger.active_runs()])
        for run_id in RUN_IDS:
            for number in (None, 0, 1, 2):
                self.both(lambda ledger, run_id=run_id, number=number: [*ledger.failures(run_id, number)])
            self.both(lambda ledger, run_id=run_id: ledger.load(run_id))
            self.both(lambda ledger, run_id=run_id: ledger.participation(run_id))
            self.both(lambda ledger, run_id=run_id: [(recorded.name, recorded.data) for recorded in ledger.events(run_id)])
            for current in self.both(lambda ledger, run_id=run_id: [*ledger.rounds(run_id)]) or []:
                self.both(lambda ledger, current=current: self.state(ledger, current))

    def teardown(self) -> None:
        type(self).completed += 1

    @staticmethod
    def state(ledger: RunLedger, current: Round) -> tuple[Any, ...]:
        place = current.run_id, current.number
        some = ledger.accepted(*place, [client_id(0), client_id(4)])
        summary = ledger.round_summary(*place)
        deposits = [(ledger.deposits(*place, kind), ledger.deposits(*place, kind, [client_id(1)])) for kind in Deposit]
        settled = ledger.accepted(*place), some, ledger.failed(*place), deposits
        return ledger.load_round(*place), summary, ledger.tally(*place), *settled

    def both(self, ask: Callable[..., Any]) -> Any:
        """The answer of both ledgers, or None if both raise an error of one class with one message."""
        answers: list[tuple[Any, Any]] = []
        for ledger in (self.memory, self.redis):
            try:
                answers.append((ask(ledger), None))
            except FedFaceError as error:
                answers.append((None, (type(error), str(error))))
        assert answers[0] == answers[1]
        return answers[0][0]


def test_the_ledgers_agree(ledger_url: str, stride: Stride) -> None:
    LedgerMachine.url = ledger_url
    LedgerMachine.completed = 0
    examples = EXAMPLES // (2 * stride.step - 1)  # a test of all of them has a stride of 1
    thorough = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(LedgerMachine, settings=thorough)
    assert LedgerMachine.completed >= examples
