"""Control under disturbances: hypothesis chooses messages, kills, races and an operator's actions, and the invariants hold.

Everything runs except the arithmetic (`model.arithmetic`): control, and what clients, aggregator and evaluator do with the
ledger, the store and the queues. `model.watched_ledger` says what may never happen. When the disturbances are over, each
run comes to its end.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from pydantic import BaseModel

from fedface_control.facts import handle
from fedface_control.failing import fail_run
from fedface_control.operate import round as operate_round
from fedface_control.operate import run as operate_run
from fedface_control.upkeep.restore import restore_all, restore_run
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import (
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    PrepareModel,
    ReduceRound,
    TrainClients,
)
from fedface_core.domain.errors import InvalidInputError, NotFoundError, WrongPhaseError
from fedface_core.domain.facts import RoundAggregated, RoundEvaluated
from fedface_core.domain.failures import MOST_IN_A_ROW
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import CohortPlan, Plan
from fedface_core.domain.round import ENDED_ROUND, Round, RoundPhase
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import Ports, RecordedEvent
from model.arithmetic import INITIAL_MODEL, replace_arithmetic
from model.disorder import World
from model.watched_ledger import WatchedLedger
from support.claimed_models import unclaimed
from support.in_process import REPEAT_AFTER
from support.killing import Killed
from support.stride import Stride

EXAMPLES = 250
STEPS = 40
DEADLINE_SECONDS = 200.0
MOST_SWEEPS = 200  # a run that takes more sweeps to end is stuck
KEYS = (None, None, "one", "two", "three")

# The commands that workers carry out one at a time.
SERVED = (EnrolClients, TrainClients, PrepareModel, FoldShard, ReduceRound, EvaluateModel, HandleFact)

Action = Callable[[Ports, str, int, str | None], Run | None]
# Action of an operator → its function, and the event that it leaves in the audit trail.
ACTIONS: dict[str, tuple[Action, str]] = {
    "start": (lambda ports, run, _, key: operate_run.start_run(ports, run, key), "run_started"),
    "pause": (lambda ports, run, _, key: operate_run.pause_run(ports, run, key), "run_pausing"),
    "pause now": (lambda ports, run, _, key: operate_run.pause_run(ports, run, key, now=True), "run_paused"),
    "resume": (lambda ports, run, _, key: operate_run.resume_run(ports, run, key), "run_resumed"),
    "close round": (
        lambda ports, run, number, key: operate_round.close_round_early(ports, run, number, key),
        "round_closed",
    ),
    "retry round": (lambda ports, run, number, key: operate_round.retry_round(ports, run, number, key), "round_abandoned"),
    "skip": (lambda ports, run, number, key: operate_round.skip_evaluation(ports, run, number, key), "evaluation_skipped"),
    "cancel": (lambda ports, run, _, key: operate_run.cancel_run(ports, run, key), "run_cancelled"),
    "delete": (lambda ports, run, _, __: operate_run.delete_run(ports, run, run), "run_deleting"),
    "restore": (lambda ports, run, _, __: restore_run(ports, run), "run_restored"),
}
# Actions that keep the run going come more often: a cancelled run shows little.
ACTION_NAMES = st.sampled_from(
    [*ACTIONS, "start", "pause", "pause now", "resume", "resume", "close round", "retry round", "skip"]
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Small plans with every option of cohorts, retention and stop conditions."""
    clients = draw(st.integers(2, 5))
    over_selection = draw(st.sampled_from([1.0, 1.0, 1.5, 2.0]))
    size = draw(st.none() | st.integers(1, clients))
    invited = CohortPlan(size=size, over_selection=over_selection).invited(clients)
    cohort: dict[str, Any] = {
        "size": size,
        "over_selection": over_selection,
        "quorum": draw(st.none() | st.integers(1, invited)),
        "selection": draw(st.sampled_from(["uniform", "balanced", "reliable"])),
        "retries": draw(st.integers(0, 2)),
        "shard_size": draw(st.integers(1, 3)),
        "attempts": draw(st.sampled_from([2, 5, 5])),
        "deadline_seconds": DEADLINE_SECONDS,
    }
    cohort["minimum"] = draw(st.integers(1, CohortPlan.model_validate(cohort).quorum_for(clients)))
    stops: list[dict[str, float]] = [{}, {}, {"far": 0.5, "target_tar": 0.9}, {"far": 0.5, "patience": 1}]
    silent = draw(st.sampled_from([None, None, 0, 1]))
    return Plan.model_validate(
        {
            "split": {"clients": clients, "test": 2},
            "cohort": cohort,
            "rounds": draw(st.integers(1, 3)),
            "retention": {"rounds_of_updates": draw(st.sampled_from([100, 1, 2]))},
            "stop": draw(st.sampled_from([*stops, {"wall_clock_seconds": 1000.0}])),
            "devices": {"trace": [] if silent is None else [{"client": client_id(silent), "available": False}]},
            "far": [0.5],
            "seed": draw(st.integers(0, 50)),
        }
    )


class RunMachine(RuleBasedStateMachine):
    """One run or two, with everything that can happen to them."""

    completed: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.runs: list[str] = []
        self.audit_trails: dict[str, list[RecordedEvent]] = {}

    @initialize(plan=plans(), started=st.sampled_from([True] * 9 + [False]), delivered=st.integers(0, 50))
    def create(self, plan: Plan, started: bool, delivered: int) -> None:
        run = operate_run.create_run(self.world.ports, plan, "first")
        assert operate_run.create_run(self.world.ports, plan, "first") == run, "one key made two runs"
        self.runs.append(run.id)
        if started:
            operate_run.start_run(self.world.ports, run.id, "start")
        self._deliver(delivered)

    # Messages.

    @rule(count=st.integers(1, 12))
    def deliver_in_order(self, count: int) -> None:
        self._deliver(count)

    @rule(count=st.integers(1, 12), seed=st.integers(0, 2**16))
    def deliver_in_any_order(self, count: int, seed: int) -> None:
        self._deliver(count, random.Random(seed))

    @rule(place=st.integers(0, 100))
    def deliver_an_old_one_again(self, place: int) -> None:
        if sent := self.world.queues.sent:
            self.world.deliver(sent[-1 - place % len(sent)])
        self.end_disturbance()

    @rule(place=st.integers(0, 5))
    def a_fact_of_a_round_under_way_comes_again(self, place: int) -> None:
        """The fact may be from before the ledger was lost, about a round that was opened anew since."""
        under_way = {(run.id, run.round) for run in self.world.ledger.active_runs()}
        facts = [
            (command, correlation_id)
            for command, correlation_id in self.world.queues.sent
            if isinstance(command, HandleFact) and (command.run_id, getattr(command.fact, "round", None)) in under_way
        ]
        if facts:
            self.world.deliver(facts[-1 - place % len(facts)])
        self.end_disturbance()

    @precondition(lambda self: self.world.queues.published)
    @rule(place=st.integers(0, 20))
    def duplicate(self, place: int) -> None:
        under_way = self.world.queues.published
        under_way.append(under_way[place % len(under_way)])

    @precondition(lambda self: self.world.queues.published)
    @rule(place=st.integers(0, 20))
    def lose(self, place: int) -> None:
        under_way = self.world.queues.published
        del under_way[place % len(under_way)]

    # Time.

    @rule(seconds=st.sampled_from([1.0, 30.0, REPEAT_AFTER.total_seconds() + 1, DEADLINE_SECONDS + 1]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-3600.0, -1.0, 3600.0]))
    def the_ledgers_clock_is_set(self, seconds: float) -> None:
        clock = self.world.clock
        clock.set_to(clock.now() + timedelta(seconds=seconds))

    @rule()
    def sweep(self) -> None:
        self.world.sweep()
        self.end_disturbance()

    # Operators.

    @rule(which=st.integers(0, 1), name=ACTION_NAMES, key=st.sampled_from(KEYS), number=st.sampled_from([0, 0, 0, -1, 1]))
    def operate(self, which: int, name: str, key: str | None, number: int) -> None:
        self._operate(which, name, key, number)
        self.end_disturbance()

    @precondition(lambda self: len(self.runs) == 1 and self._stored(0))
    @rule(rounds=st.integers(1, 2), seed=st.integers(0, 50))
    def clone(self, rounds: int, seed: int) -> None:
        try:
            run = operate_run.clone_run(self.world.ports, self.runs[0], {"rounds": rounds, "seed": seed}, f"{rounds} {seed}")
        except Killed:
            self._process_died()
        else:
            self.runs.append(run.id)
        self.end_disturbance()

    # Kills, races and losses. Without a message to deliver, they disturb the next step: a sweep or an operator's request.

    @rule(kill_after=st.integers(1, 8), count=st.integers(0, 6))
    def a_process_is_killed(self, kill_after: int, count: int) -> None:
        self._disturb(count, kill_after=kill_after)

    @rule(before=st.integers(1, 6), place=st.integers(0, 20), count=st.integers(0, 6))
    def a_process_is_overtaken(self, before: int, place: int, count: int) -> None:

        def overtake() -> None:
            if under_way := self.world.queues.published:
                self.world.deliver(under_way.pop(place % len(under_way)))

        self._disturb(count, overtake_before=before, overtake=overtake)

    @rule(
        before=st.integers(1, 6),
        which=st.integers(0, 1),
        name=ACTION_NAMES,
        key=st.sampled_from(KEYS),
        count=st.integers(0, 6),
    )
    def an_operator_overtakes_a_process(self, before: int, which: int, name: str, key: str | None, count: int) -> None:
        self._disturb(count, overtake_before=before, overtake=lambda: self._operate(which, name, key, 0))

    @rule(before=st.integers(1, 6), count=st.integers(0, 6))
    def a_sweep_overtakes_a_process(self, before: int, count: int) -> None:
        self._disturb(count, overtake_before=before, overtake=self.world.sweep)

    @rule(kind=st.sampled_from(SERVED), repeats=st.integers(1, 7))
    def a_service_is_broken_for_a_while(self, kind: type[BaseModel], repeats: int) -> None:
        """Each delivery of such a command fails unexpectedly, and the sweep repeats what is needed."""
        self.world.broken = kind
        for _ in range(repeats):
            self.world.settle()
            self.world.clock.advance(REPEAT_AFTER.total_seconds() + 1)
            self.world.sweep()
        self.world.settle()
        self.world.broken = None
        self.end_disturbance()

    @rule()
    def the_ledger_is_lost_and_restored(self) -> None:
        self.end_disturbance()
        world = self.world
        lost = self.world.ledger
        world.queues.published.clear()
        world.with_ledger(WatchedLedger(world.clock, world.artifacts))
        restore_all(world.ports)
        for run in lost.runs():
            self._check_restored(lost, run)
            self.audit_trails.pop(run.id, None)

    @invariant()
    def nothing_impossible_has_happened(self) -> None:
        for run in self.world.ledger.runs():
            self.world.ledger.check(run.id)
            numbers = [None, *(current.number for current in self.world.ledger.rounds(run.id))]
            failures = [failure for number in numbers for failure in self.world.ledger.failures(run.id, number)]
            most = 2 * max(MOST_IN_A_ROW, run.plan.cohort.attempts)
            assert all(failure.in_a_row <= most for failure in failures), "a step is repeated for ever"
            trail = [*self.world.ledger.events(run.id)]
            before = self.audit_trails.get(run.id, [])
            assert trail[: len(before)] == before, "the audit trail was rewritten"
            self.audit_trails[run.id] = trail
        assert unclaimed(self.world.plain) == set(), "a model version that is named is not claimed"

    def teardown(self) -> None:
        """The disturbances end: each run comes to its end, and a deleted run leaves nothing."""
        if sys.exception() is not None:
            return
        self.end_disturbance()
        known = self.world.ledger.runs()
        for run in known:
            if run.phase is not RunPhase.DELETING:
                self._to_the_end(run.id)
                operate_run.delete_run(self.world.ports, run.id, run.id)
        self.world.settle()
        self.world.sweep()
        assert self.world.ledger.runs() == [], "a run outlived its deletion"
        if not self.world.disturbance.overtaken:  # a client that a deletion overtakes may still put its update
            for run in known:
                assert self.world.artifacts.keys(object_keys.run_folder(run.id)) == [], "a run's artifacts outlived it"
        if not self.world.process_killed and not self.world.disturbance.overtaken:
            left = {self.world.artifacts.get(key) for key in self.world.artifacts.keys("models/")}
            assert left <= {INITIAL_MODEL}, "a trained model outlived its run"
        type(self).completed += 1

    def end_disturbance(self) -> None:
        """A disturbance that the last step has not met disturbs no later step."""
        self.world.disturbance.arm()

    def _deliver(self, count: int, order: random.Random | None = None) -> None:
        for _ in range(count):
            if under_way := self.world.queues.published:
                self.world.deliver(under_way.pop(order.randrange(len(under_way)) if order else 0))
        self.end_disturbance()

    def _disturb(self, count: int, **disturbance: Any) -> None:
        self.world.disturbance.arm(**disturbance)
        if count:
            self._deliver(count)

    def _process_died(self) -> None:
        self.world.process_killed = True
        self.world.start_services()

    def _stored(self, which: int) -> tuple[Run, list[Round]] | None:
        """The run and its rounds as they are stored; None if the run is deleted."""
        try:
            run_id = self.runs[which]
            return self.world.ledger.load(run_id), [*self.world.ledger.rounds(run_id)]
        except NotFoundError:
            return None

    def _operate(self, which: int, name: str, key: str | None, off: int) -> None:
        """An action that is refused, or was carried out before, changes nothing; any other is in the audit trail."""
        which %= len(self.runs)
        run_id = self.runs[which]
        before = self._stored(which)
        disturbance = self.world.disturbance
        number = max(0, (before[0].round or 0) + off) if before else 0
        sent = len(self.world.queues.sent)
        record = self._record(run_id)
        act, event = ACTIONS[name]
        overtaken_before = disturbance.overtaken
        disturbance.overtaken = False
        refused = False
        try:
            act(self.world.ports, run_id, number, key)
        except Killed:
            self._process_died()
            return
        except (WrongPhaseError, InvalidInputError, NotFoundError):
            refused = True
        finally:
            overtaken = disturbance.overtaken
            disturbance.overtaken = overtaken or overtaken_before
        if name in ("delete", "restore"):  # they take no key, and deleting twice is deleting once
            was_known = name == "delete" and before is not None and before[0].phase is RunPhase.DELETING
        else:
            was_known = before is not None and key in before[0].requests
        after = self._stored(which)
        if overtaken:
            return
        if refused or was_known:
            assert (after, len(self.world.queues.sent), self._record(run_id)) == (before, sent, record)
            return
        assert before is not None
        assert after is not None
        assert after[0].version > before[0].version
        assert key is None or name in ("delete", "restore") or key in after[0].requests, "the key was not recorded"
        trail = self.world.ledger.events(run_id)[len(self.audit_trails.get(run_id, [])) :]
        assert event in [recorded.name for recorded in trail], f"{name} is not in the audit trail"

    def _record(self, run_id: str) -> bytes | None:
        key = object_keys.run(run_id)
        return self.world.artifacts.get(key) if key in self.world.artifacts.keys(key) else None

    def _check_restored(self, lost: WatchedLedger, before: Run) -> None:
        """Every ended round is restored as it was. After a kill or a race the store may be ahead of the ledger."""
        ledger = self.world.ledger
        after = ledger.load(before.id)
        for ended in lost.rounds(before.id):
            if ended.phase in ENDED_ROUND:
                assert ledger.load_round(before.id, ended.number) == ended
                if ended.closed_at is not None:
                    assert ledger.accepted(before.id, ended.number) == lost.accepted(before.id, ended.number)
                    assert ledger.failed(before.id, ended.number) == lost.failed(before.id, ended.number)
        if not self.world.process_killed and not self.world.disturbance.overtaken:
            same = (
                "phase",
                "finished_rounds",
                "base_round",
                "plan",
                "started_at",
                "ended_at",
                "paused_at",
                "paused_seconds",
            )
            if before.finished_rounds or before.phase in ENDED:
                assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]

    def _to_the_end(self, run_id: str) -> None:
        world = self.world
        for _ in range(MOST_SWEEPS):
            run = world.ledger.load(run_id)
            if run.phase is RunPhase.CREATED:
                operate_run.start_run(world.ports, run_id)
            elif run.phase is RunPhase.PAUSED:
                operate_run.resume_run(world.ports, run_id)
            elif run.phase in ENDED:
                return
            world.settle()
            world.clock.advance(REPEAT_AFTER.total_seconds() + 1)
            world.sweep()
        raise AssertionError(f"{run_id} never ends: {run.phase}, round {run.round}")


@pytest.fixture
def quick() -> Iterator[None]:
    """No arithmetic, no log, and no pause before a decision is taken again."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with pytest.MonkeyPatch.context() as patch:
        replace_arithmetic(patch)
        decided: list[Any] = [handle, fail_run, operate_run.start_run, operate_run.pause_run, operate_run.resume_run]
        decided += [operate_run.cancel_run, operate_run.delete_run]
        decided += [operate_round.close_round_early, operate_round.retry_round, operate_round.skip_evaluation]
        for step in decided:
            patch.setattr(step.retry, "sleep", lambda _seconds: None)
        yield
    structlog.configure(**before)


@pytest.mark.timeout(900)  # hundreds of examples, perhaps on a busy machine
@pytest.mark.usefixtures("quick")
def test_the_invariants_hold_whatever_happens(stride: Stride) -> None:
    examples = EXAMPLES // (2 * stride.step - 1)  # a test of all of them has a stride of 1
    thorough = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    RunMachine.completed = 0
    run_state_machine_as_test(RunMachine, settings=thorough)
    assert RunMachine.completed >= examples


@pytest.mark.usefixtures("quick")
def test_of_two_that_end_a_round_the_faster_ones_manifest_stays() -> None:
    """A case that random examples rarely reach: an operator retries the round between its scores and its manifest."""
    world = World()
    run = operate_run.create_run(world.ports, Plan.model_validate({"split": {"clients": 2, "test": 2}, "rounds": 2}))
    operate_run.start_run(world.ports, run.id)

    def retry() -> None:
        operate_round.retry_round(world.ports, run.id, 1)

    def is_score_of_round_1(command: BaseModel) -> bool:
        fact = command.fact if isinstance(command, HandleFact) else None
        return isinstance(fact, RoundEvaluated) and fact.round == 1

    while not is_score_of_round_1(world.queues.published[0][0]):
        world.deliver(world.queues.published.pop(0))
    world.disturbance.arm(overtake_before=1, overtake=retry)
    world.deliver(world.queues.published.pop(0))
    assert world.ledger.load_round(run.id, 1).phase is RoundPhase.ABANDONED
    world.ledger.check(run.id)  # the manifest among it
    world.with_ledger(WatchedLedger(world.clock, world.artifacts))
    restore_run(world.ports, run.id)
    world.sweep()
    world.settle()
    assert world.ledger.load(run.id).phase is RunPhase.COMPLETED


@pytest.mark.usefixtures("quick")
def test_a_deleted_run_leaves_the_model_version_that_its_clone_has_just_made_as_well() -> None:
    """A fault that was found: the ledger is lost while the clone has an aggregation in the store, and no manifest yet."""
    machine = RunMachine()
    machine.create(Plan.model_validate({"split": {"clients": 2, "test": 2}, "rounds": 1}), True, 20)
    machine.clone(rounds=1, seed=0)
    machine.operate(which=1, name="start", key=None, number=0)
    machine.deliver_in_order(8)
    machine.the_ledger_is_lost_and_restored()
    machine.teardown()


@pytest.mark.usefixtures("quick")
def test_an_average_of_an_earlier_life_of_the_round_does_not_count() -> None:
    """A case that random examples rarely reach: the ledger is lost, and in the round opened anew fewer clients answer."""
    machine = RunMachine()
    cohort = {"size": 1, "over_selection": 2.0, "minimum": 1}
    machine.create(Plan.model_validate({"split": {"clients": 2, "test": 2}, "cohort": cohort, "rounds": 1}), True, 0)
    world = machine.world
    (run_id,) = machine.runs

    def is_average_of_round_1(command: BaseModel) -> bool:
        fact = command.fact if isinstance(command, HandleFact) else None
        return isinstance(fact, RoundAggregated) and fact.round == 1

    while not is_average_of_round_1(world.queues.published[0][0]):
        world.deliver(world.queues.published.pop(0))
    earlier = world.queues.published[0]
    _, other = world.ledger.accepted(run_id, 1)
    machine.the_ledger_is_lost_and_restored()
    world.sweep()
    correlation_id = world.ledger.load(run_id).correlation_id
    world.queues.published[:] = [(TrainClients(run_id=run_id, round=1, clients=(other,)), correlation_id)]
    machine.deliver_in_order(2)  # the one client's task, and that the round is ready
    assert world.ledger.load_round(run_id, 1).phase is RoundPhase.AGGREGATING
    world.deliver(earlier)
    assert world.ledger.load_round(run_id, 1).phase is RoundPhase.AGGREGATING
    machine.teardown()
