"""What disturbs the services: messages in any order, again or never, processes that are killed or overtaken, and time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from fedface_control.upkeep.claims import claim_for_earlier_runs
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EnrolClients, EvaluateModel, FoldShard, HandleFact, ReduceRound, Sweep, TrainClients
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.facts import Fact, IdentitiesListed, ModelPrepared, RoundAggregated, RoundEvaluated
from fedface_core.domain.round import RoundPhase
from fedface_core.ports import Ports
from model.watched_ledger import WatchedLedger
from support.in_process import coming_back, services
from support.killing import BrokenEffectError, EffectLog, KillablePublisher, Killed, killable

Message = tuple[BaseModel, str]

BREAKING = frozenset({"put", "begin_attempt", "accept", "record_partial", "save"})


class Disturbance(EffectLog):
    """What happens to the next step: its process is killed after an effect, another one is faster just before one, or one
    of its effects fails unexpectedly.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.overtaken = False
        self.arm()

    def arm(
        self,
        *,
        kill_after: int | None = None,
        overtake_before: int | None = None,
        overtake: Callable[[], None] | None = None,
        breaks: frozenset[str] = frozenset(),
    ) -> None:
        """Set what happens to the next step; without arguments nothing does."""
        self.effects.clear()
        self.kill_after = kill_after
        self._overtake_before = overtake_before
        self._overtake = overtake
        self._approached = 0
        self._breaks = breaks

    def before_effect(self, effect: str) -> None:
        """Let the first effect whose name is in ``breaks`` fail, and let the other process act before the chosen effect."""
        if effect in self._breaks:
            self._breaks = frozenset()
            raise BrokenEffectError(f"{effect} number {self._approached} broke")
        self._approached += 1
        if self._approached == self._overtake_before and self._overtake is not None:
            self.overtaken = True
            self._overtake()


class Queues(KillablePublisher):
    """The queues. They keep every message ever sent, and check that its objects and records were stored before."""

    def __init__(self, disturbance: Disturbance) -> None:
        super().__init__(disturbance)
        self.sent: list[Message] = []
        self.is_stored: Callable[[BaseModel], bool] = lambda _: True

    def publish_all(self, commands: Any, *, correlation_id: str) -> None:
        for command in commands:
            assert self.is_stored(command), f"sent before it was stored: {command!r}"
            self.sent.append((command, correlation_id))
        super().publish_all(commands, correlation_id=correlation_id)


class StoresClock(SystemClock):
    """The clock of the store. It goes on with that of the ledger, but nobody sets it."""

    def __init__(self, ledgers: ManualClock) -> None:
        self._start = ledgers.now()
        self._ledgers = ledgers

    def now(self) -> datetime:
        """The time at the start, and what has passed since."""
        return self._start + timedelta(seconds=self._ledgers.monotonic())


class World:
    """The services over one ledger and one store, the messages under way, and the time."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.artifacts = MemoryArtifacts(StoresClock(self.clock))
        self.disturbance = Disturbance()
        self.queues = Queues(self.disturbance)
        self.queues.is_stored = self._stored
        self.process_killed = False
        self.came_back: list[Message] = []
        self.broken: type[BaseModel] | None = None
        """The command whose first effect fails at each delivery, as with a service that is broken."""
        self.with_ledger(WatchedLedger(self.clock, self.artifacts))
        claim_for_earlier_runs(self.plain)  # as the API does when it starts: from now on, claims are put by runs alone

    def with_ledger(self, ledger: WatchedLedger) -> None:
        """Start the services anew on this ledger."""
        self.ledger = ledger
        self.plain = Ports(ledger, self.artifacts, self.queues, self.clock)
        self.start_services()

    def start_services(self) -> None:
        """New processes, with nothing in memory."""
        self.ports = killable(self.plain, self.disturbance)
        self.handlers = services(self.ports)
        self.comes_back = coming_back(self.ports)

    def deliver(self, message: Message) -> None:
        """Hand a message to its service. If the process is killed, the message comes again."""
        command, correlation_id = message
        again = None
        if message in self.came_back:
            self.came_back.remove(message)
            again = self.comes_back.get(type(command))
        if type(command) is self.broken:
            self.disturbance.arm(breaks=BREAKING)
        try:
            with again(command, correlation_id) if again else nullcontext(False) as given_up:
                if not given_up:
                    self.handlers[type(command)](command, correlation_id)
        except BrokenEffectError:
            assert self.broken, "nothing breaks by itself"
            self.disturbance.arm()
        except Killed:
            self.process_killed = True
            self.start_services()
            if not isinstance(command, Sweep):
                self.queues.published.append(message)
                self.came_back.append(message)
        except NotFoundError:
            assert not self._is_known(command), f"{command!r} found its run and its round, and yet not all it needs"

    def sweep(self) -> None:
        """Sweep, as the beat does."""
        self.deliver((Sweep(), "beat"))

    def settle(self) -> None:
        """Deliver all messages in order, also those that are sent meanwhile, until none is left."""
        while self.queues.published:
            self.deliver(self.queues.published.pop(0))

    def _is_known(self, command: BaseModel) -> bool:
        """Whether the ledger has the command's run and round: both may have been deleted or lost since."""
        about: Any = command.fact if isinstance(command, HandleFact) else command
        run_id: str | None = getattr(about, "run_id", None)
        if run_id is None:
            return True
        try:
            number = 0 if isinstance(about, EnrolClients) else getattr(about, "round", None)
            if self.ledger.load(run_id) and number is not None:
                self.ledger.load_round(run_id, number)
        except NotFoundError:
            return False
        return True

    def _stored(self, command: BaseModel) -> bool:
        """Whether the command's run, round and objects are there: objects are put, then recorded, and then published."""
        if not self._is_known(command):
            # The run was deleted meanwhile. A worker that has its plan may still report a fact about it.
            return self.disturbance.overtaken or isinstance(command, HandleFact)
        about: Any = command
        match command:
            case HandleFact():
                return self._fact_stored(command.fact)
            case EnrolClients() | TrainClients() | FoldShard():
                return True
            case ReduceRound():
                return self.ledger.load_round(about.run_id, about.round).phase is not RoundPhase.OPEN
            case EvaluateModel():
                return self.ledger.load_round(about.run_id, about.round).aggregation is not None
        return True

    def _fact_stored(self, fact: Fact) -> bool:
        match fact:
            case ModelPrepared():
                needed = [object_keys.model(fact.model_sha256)]
            case IdentitiesListed():
                needed = [object_keys.identity_list(fact.run_id, fact.identity_list_sha256)]
            case RoundAggregated():
                made = fact.aggregation
                needed = [
                    object_keys.model(made.model_sha256),
                    object_keys.class_embeddings(fact.run_id, made.class_embeddings_sha256 or ""),
                    object_keys.aggregation(fact.run_id, fact.round, fact.accepted_digest),
                ]
            case RoundEvaluated():
                needed = [object_keys.report(fact.run_id, fact.round)]
            case _:
                needed = []
        return set(needed) <= set(self.artifacts.keys(""))
