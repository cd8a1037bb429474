"""The four services in one process, over ports in memory: in an order that a seed chooses, and killed where a test says.

Messages wait in the recording publisher. The harness takes them from there, one at a time, and hands each to the function
that the service's Celery task calls. What a broker and an operating system do to messages and processes, `Disorder` does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel

from fedface_aggregator.fold import fold_shard
from fedface_aggregator.prepare import prepare_model
from fedface_aggregator.reduce import reduce_round
from fedface_client.carry_out_task import carry_out_task
from fedface_control.facts import handle_fact
from fedface_control.operate.run import create_run, start_run
from fedface_control.sweep import sweep
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.contracts.tasks import ROUTES
from fedface_core.domain.commands import (
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    PrepareModel,
    ReduceRound,
    Sweep,
    TrainClients,
)
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import ArtifactStore, Ports, RunLedger
from fedface_evaluator.evaluate import evaluate_model
from fedface_worker.workbench import Workbench
from support.mortal import Killed, Lifeline, MortalPublisher, mortal

REPEAT_AFTER = timedelta(seconds=60)
MOST_STEPS = 2000  # A run that takes more has lost its way.

Handler = Callable[[Any, str], None]


@dataclass(frozen=True)
class Disorder:
    """What befalls messages. Probabilities are for each delivery."""

    seed: int = 0
    reorder: bool = False
    duplicate: float = 0.0
    drop: float = 0.0
    stray_sweep: float = 0.0


class InProcess:
    """The services, the messages under way, and the time. ``handlers`` may be replaced by what a test needs."""

    def __init__(
        self,
        plan: Plan,
        disorder: Disorder = Disorder(),
        *,
        kill_after: int | None = None,
        redeliver: bool = True,
        ledger: RunLedger | None = None,
        artifacts: ArtifactStore | None = None,
    ) -> None:
        """``redeliver``: the message of a killed process comes again, as acknowledging late has it; else it is lost."""
        self.plan = plan
        self.clock = ManualClock()
        self.lifeline = Lifeline(None)
        self.publisher = MortalPublisher(self.lifeline)
        plain_ledger, plain_artifacts = ledger or MemoryLedger(self.clock), artifacts or MemoryArtifacts(self.clock)
        self.ports = Ports(plain_ledger, plain_artifacts, self.publisher, self.clock)
        self._disorder = disorder
        self._random = random.Random(disorder.seed)
        self._redeliver = redeliver
        self._kill_after = kill_after
        self.handlers = self._services()

    def start(self) -> str:
        """Create and start a run; effects count from here. Returns its id."""
        run = create_run(self.ports, self.plan)
        self.lifeline = self.publisher.lifeline = Lifeline(self._kill_after)
        self.restart_services()
        while self.ports.ledger.load(run.id).phase is RunPhase.CREATED:
            with suppress(Killed):  # the request broke off: what it stored, the sweep makes good; else it is sent again
                start_run(self._mortal_ports(), run.id, "start")
        return run.id

    def to_end(self, run_id: str) -> Run:
        """Deliver, and where nothing is left to deliver sweep, until the run has ended."""
        return self.until(run_id, lambda run: run.phase in ENDED)

    def until(self, run_id: str, reached: Callable[[Run], bool]) -> Run:
        """The same, until the run is where the test wants it."""
        for _ in range(MOST_STEPS):
            run = self.ports.ledger.load(run_id)
            if reached(run):
                return run
            self.step()
        raise AssertionError(f"{run_id} did not get there: {run.phase}, round {run.round}")

    def step(self) -> None:
        """Deliver one message, or sweep after a pause where none waits."""
        if not self.publisher.published:
            self.sweep_after(REPEAT_AFTER.total_seconds() + 1)
            return
        if self._random.random() < self._disorder.stray_sweep:
            self.deliver(Sweep(), "beat")
        place = self._random.randrange(len(self.publisher.published)) if self._disorder.reorder else 0
        message = self.publisher.published.pop(place)
        fate = self._random.random()
        if fate < self._disorder.drop:
            return
        if fate > 1 - self._disorder.duplicate:
            self.publisher.published.append(message)
        self.deliver(*message)

    def drain(self) -> None:
        """Deliver what is still under way, without a sweep."""
        while self.publisher.published:
            self.deliver(*self.publisher.published.pop(0))

    def sweep_after(self, seconds: float) -> None:
        """Let time pass, then sweep."""
        self.clock.advance(seconds)
        self.deliver(Sweep(), "beat")

    def deliver(self, command: BaseModel, correlation_id: str) -> None:
        """Hand one message to its service, through JSON. A service that is killed starts anew."""
        message = type(command).model_validate_json(command.model_dump_json())
        try:
            self.handlers[type(command)](message, correlation_id)
        except Killed:
            self.lifeline.end()
            self.restart_services()
            if self._redeliver and not isinstance(command, Sweep):
                self.publisher.published.append((command, correlation_id))

    def run(self) -> Run:
        """A whole run; then what was still under way is delivered too, and must change nothing."""
        ended = self.to_end(self.start())
        self.drain()
        assert self.ports.ledger.load(ended.id) == ended, "a message after the end changed the run"
        return ended

    def manifest(self, run_id: str, number: int) -> Manifest:
        """The stored manifest of a round."""
        return Manifest.model_validate_json(self.ports.artifacts.get(object_keys.manifest(run_id, number)))

    def restart_services(self) -> None:
        """New processes, with nothing in memory."""
        self.handlers = self._services()

    def _mortal_ports(self) -> Ports:
        return mortal(self.ports, self.lifeline)

    def _services(self) -> dict[type[BaseModel], Handler]:
        return services(self._mortal_ports())


def services(ports: Ports) -> dict[type[BaseModel], Handler]:
    """What each service does with the commands of its queue, each in a fresh process."""
    client, aggregator, evaluator = (Workbench(ports) for _ in range(3))
    handlers: dict[type[BaseModel], Handler] = {
        EnrolClients: partial(carry_out_task, client),
        TrainClients: partial(carry_out_task, client),
        PrepareModel: partial(prepare_model, aggregator),
        FoldShard: partial(fold_shard, aggregator),
        ReduceRound: partial(reduce_round, aggregator),
        EvaluateModel: partial(evaluate_model, evaluator),
        HandleFact: lambda command, _: handle_fact(ports, command.fact),
        Sweep: lambda _command, _: sweep(ports, REPEAT_AFTER),
    }
    assert handlers.keys() == ROUTES.keys(), "every command has its service"
    return handlers
