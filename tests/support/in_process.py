"""Runs the four services in one process, over ports in memory, in an order that a seed draws, and kills them on demand.

Messages wait in the recording publisher. The harness takes them out one at a time, and hands each to the function that the
service's Celery task calls. `Disorder` stands for what a broker and an operating system do to messages and processes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fedface_aggregator.fold import fold_shard
from fedface_aggregator.hand_on import hand_on_shares
from fedface_aggregator.prepare import prepare_model
from fedface_aggregator.reduce import reduce_round
from fedface_client.carry_out_task import carry_out_task
from fedface_client.deposits import make_deposits
from fedface_client.list_identities import list_identities
from fedface_control.facts import handle_fact
from fedface_control.failing import fact_came_back
from fedface_control.operate.run import create_run, start_run
from fedface_control.sweep import sweep
from fedface_control.upkeep.claims import claim_for_earlier_runs
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.contracts.tasks import ROUTES
from fedface_core.domain.commands import (
    Command,
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    HandOnShares,
    ListIdentities,
    PrepareModel,
    ReduceRound,
    RegisterDevices,
    RevealShares,
    ShareKeys,
    SignAcceptedSet,
    Sweep,
    TrainClients,
)
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import ArtifactStore, Ports, RunLedger
from fedface_evaluator.evaluate import evaluate_model
from fedface_learning.data import ANYWHERE, PhotographRoots
from fedface_worker.failing_steps import step_came_back
from fedface_worker.workbench import Workbench
from support.killing import EffectLog, KillablePublisher, Killed, killable
from support.signing import SignedForItsRun

REPEAT_AFTER = timedelta(seconds=60)
MAX_STEPS = 2000  # a run that takes more steps never ends

Handler = Callable[[Any, str], None]
ComingBack = Callable[[Any, str], AbstractContextManager[bool]]


@dataclass(frozen=True)
class Disorder:
    """What happens to messages on their way. Each probability is that of one delivery."""

    seed: int = 0
    reorder: bool = False
    duplicate: float = 0.0
    drop: float = 0.0
    stray_sweep: float = 0.0


class InProcess:
    """The services, the messages between them, and the clock. A test may replace any of the ``handlers``."""

    def __init__(
        self,
        plan: Plan,
        disorder: Disorder = Disorder(),
        *,
        kill_after: int | None = None,
        redeliver: bool = True,
        clock: ManualClock | None = None,
        ledger: RunLedger | None = None,
        artifacts: ArtifactStore | None = None,
        roots: Sequence[Path] | None = None,
    ) -> None:
        """``kill_after`` is the number of the effect after which a process is killed.

        If ``redeliver``, the message of a killed process is delivered again, as with late acknowledgement; otherwise it is
        lost. A given ``ledger`` has the given ``clock``. Photographs are read below the folders ``roots``, or anywhere.
        """
        self.plan = plan
        self.clock = clock or ManualClock()
        self.effect_log = EffectLog(None)
        self.publisher = KillablePublisher(self.effect_log)
        ledger = ledger or MemoryLedger(self.clock)
        self.store = artifacts or MemoryArtifacts(self.clock)
        signed = SignedForItsRun(self.store, ledger)
        self.ports = Ports(ledger, signed, self.publisher, self.clock, signed)
        claim_for_earlier_runs(self.ports)  # as the API does when it starts: from now on, claims are put by runs alone
        self._disorder = disorder
        self._random = random.Random(disorder.seed)
        self._redeliver = redeliver
        self._kill_after = kill_after
        self._roots = ANYWHERE if roots is None else PhotographRoots.of(roots)
        self._came_back: list[tuple[BaseModel, str]] = []
        self._due: dict[tuple[BaseModel, str], datetime] = {}
        self.restart_services()

    def start(self) -> str:
        """Create and start a run, and return its id. Effects are counted from here on."""
        run = create_run(self.ports, self.plan)
        self.record_effects(self._kill_after)
        while self.ports.ledger.load(run.id).phase is RunPhase.CREATED:
            with suppress(
                Killed
            ):  # the request broke off: either the sweep goes on from what it stored, or it is sent again
                start_run(self._killable_ports(), run.id, "start")
        return run.id

    def record_effects(self, kill_after: int | None) -> None:
        """Record effects in a new log from here on, in new processes, and kill one after effect number ``kill_after``."""
        self.effect_log = EffectLog(kill_after)
        self.publisher.effect_log = self.effect_log
        self.restart_services()

    def to_end(self, run_id: str) -> Run:
        """Deliver messages until the run has ended, and sweep whenever no message waits."""
        return self.until(run_id, lambda run: run.phase in ENDED)

    def until(self, run_id: str, reached: Callable[[Run], bool]) -> Run:
        """Deliver messages until ``reached(run)``, and sweep whenever no message waits. Returns the run as it is then."""
        for _ in range(MAX_STEPS):
            run = self.ports.ledger.load(run_id)
            if reached(run):
                return run
            self.step()
        raise AssertionError(f"{run_id} was not reached: it is {run.phase}, in round {run.round}")

    def step(self) -> None:
        """Deliver one message; if none waits, the next one that waits for its time; or else advance the clock and sweep."""
        self._move_delayed()
        if not self.publisher.published:
            self.sweep_after(REPEAT_AFTER.total_seconds() + 1)
            return
        if self._random.random() < self._disorder.stray_sweep:
            self.deliver(Sweep(), "beat")
        index = self._random.randrange(len(self.publisher.published)) if self._disorder.reorder else 0
        message = self.publisher.published.pop(index)
        fate = self._random.random()
        if fate < self._disorder.drop:
            return
        if fate > 1 - self._disorder.duplicate:
            self.publisher.published.append(message)
        self.deliver(*message)

    def _move_delayed(self) -> None:
        """Move delayed messages that are due into the queue. If no other one waits, the clock advances to the first."""
        for message, seconds in self.publisher.delayed.items():
            self._due.setdefault(message, self.clock.now() + timedelta(seconds=seconds))
        self.publisher.delayed.clear()
        if self._due and not self.publisher.published:
            self.clock.advance(max(0.0, (min(self._due.values()) - self.clock.now()).total_seconds()))
        for message in [message for message, due in self._due.items() if due <= self.clock.now()]:
            del self._due[message]
            self.publisher.published.append(message)

    def drain(self) -> None:
        """Deliver all messages that wait and those that follow, without a sweep."""
        while self.publisher.published:
            self.deliver(*self.publisher.published.pop(0))

    def sweep_after(self, seconds: float) -> None:
        """Advance the clock, then sweep."""
        self.clock.advance(seconds)
        self.deliver(Sweep(), "beat")

    def deliver_now(self, command: Command) -> None:
        """Hand a command of a run to its service, as that run's own messages come."""
        self.deliver(command, self.ports.ledger.load(command.run_id).correlation_id)

    def deliver(self, command: BaseModel, correlation_id: str) -> None:
        """Hand one message to its service, through JSON. A service that is killed is restarted.

        A message that comes back after a kill is counted first, as `register_handler` has it.
        """
        message = type(command).model_validate_json(command.model_dump_json())
        came_back = (command, correlation_id) in self._came_back
        if came_back:
            self._came_back.remove((command, correlation_id))
        try:
            again = self.came_back.get(type(command)) if came_back else None
            with again(message, correlation_id) if again else nullcontext(False) as given_up:
                if not given_up:
                    self.handlers[type(command)](message, correlation_id)
        except Killed:
            self.effect_log.count_kill()
            self.restart_services()
            if self._redeliver and not isinstance(command, Sweep):
                self.publisher.published.append((command, correlation_id))
                self._came_back.append((command, correlation_id))

    def run(self) -> Run:
        """Run a whole run to its end. Messages that still wait then are delivered too, and must change nothing."""
        ended = self.to_end(self.start())
        self.drain()
        assert self.ports.ledger.load(ended.id) == ended, "a message after the end changed the run"
        return ended

    def manifest(self, run_id: str, number: int) -> Manifest:
        """The stored manifest of a round."""
        return Manifest.model_validate_json(self.ports.artifacts.get(object_keys.manifest(run_id, number)))

    def restart_services(self) -> None:
        """Replace all services by new processes, which have nothing in memory."""
        ports = self._killable_ports()
        self.handlers = services(ports, self._roots)
        self.came_back = coming_back(ports)

    def _killable_ports(self) -> Ports:
        return killable(self.ports, self.effect_log)


def services(ports: Ports, roots: PhotographRoots = ANYWHERE) -> dict[type[BaseModel], Handler]:
    """The handler of each command, over these ports. Client, aggregator and evaluator get a new process each."""
    client, aggregator, evaluator = (Workbench(ports, roots=roots) for _ in range(3))
    handlers: dict[type[BaseModel], Handler] = {
        ListIdentities: partial(list_identities, client),
        EnrolClients: partial(carry_out_task, client),
        TrainClients: partial(carry_out_task, client),
        **dict.fromkeys((RegisterDevices, ShareKeys, SignAcceptedSet, RevealShares), partial(make_deposits, client)),
        PrepareModel: partial(prepare_model, aggregator),
        HandOnShares: partial(hand_on_shares, aggregator),
        FoldShard: partial(fold_shard, aggregator),
        ReduceRound: partial(reduce_round, aggregator),
        EvaluateModel: partial(evaluate_model, evaluator),
        HandleFact: lambda command, _: handle_fact(ports, command.fact),
        Sweep: lambda _command, _: sweep(ports, REPEAT_AFTER),
    }
    assert handlers.keys() == ROUTES.keys(), "every command has its service"
    return handlers


def coming_back(ports: Ports) -> dict[type[BaseModel], ComingBack]:
    """What each service does with a command that comes back after a kill, before it carries it out again.

    Clients count their attempts themselves, and a sweep does not come back.
    """
    step = partial(step_came_back, ports)
    return {
        **dict.fromkeys((PrepareModel, FoldShard, ReduceRound, EvaluateModel), step),
        HandleFact: partial(fact_came_back, ports),
    }
