"""What befalls the services: messages in any order, again or never, processes that die or are overtaken, and time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from fedface_core.adapters.memory import ManualClock, MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EnrolClients, EvaluateModel, FoldShard, HandleFact, ReduceRound, Sweep, TrainClients
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.facts import Fact, ModelPrepared, RoundAggregated, RoundEvaluated
from fedface_core.domain.round import RoundPhase
from fedface_core.ports import Ports
from model.watched_ledger import WatchedLedger
from support.in_process import services
from support.killing import EffectLog, KillablePublisher, Killed, killable

Message = tuple[BaseModel, str]


class Fate(EffectLog):
    """Is set anew before each step: the process may die after an effect, or another may be faster just before one."""

    def __init__(self) -> None:
        super().__init__(None)
        self.raced = False
        self.set()

    def set(
        self,
        *,
        kill_after: int | None = None,
        overtake_before: int | None = None,
        overtake: Callable[[], None] | None = None,
    ) -> None:
        """For the next step; without anything, nothing happens to it."""
        self.effects.clear()
        self.kill_after = kill_after
        self._overtake_before, self._overtake, self._approached = overtake_before, overtake, 0

    def before_effect(self) -> None:
        """Let the other one act, once."""
        self._approached += 1
        if self._approached == self._overtake_before and self._overtake is not None:
            self.raced = True
            self._overtake()


class Post(KillablePublisher):
    """The queues. Keeps all that was ever sent, and checks that what a message speaks of was stored before it was sent."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(fate)
        self.sent: list[Message] = []
        self.stored: Callable[[BaseModel], bool] = lambda _: True

    def publish_all(self, commands: Any, *, correlation_id: str) -> None:
        for command in commands:
            assert self.stored(command), f"sent before it was stored: {command!r}"
            self.sent.append((command, correlation_id))
        super().publish_all(commands, correlation_id=correlation_id)


class World:
    """The services over one ledger and one store, the messages under way, and the time."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.artifacts = MemoryArtifacts(self.clock)
        self.fate = Fate()
        self.post = Post(self.fate)
        self.post.stored = self._stored
        self.disturbed = False
        self.with_ledger(WatchedLedger(self.clock, self.artifacts))

    def with_ledger(self, ledger: WatchedLedger) -> None:
        """The services, started anew on this ledger."""
        self.ledger = ledger
        self.plain = Ports(ledger, self.artifacts, self.post, self.clock)
        self.start_services()

    def start_services(self) -> None:
        """New processes, with nothing in memory."""
        self.ports = killable(self.plain, self.fate)
        self.handlers = services(self.ports)

    def deliver(self, message: Message) -> None:
        """Hand a message to its service. That of a process that dies comes again."""
        command, correlation_id = message
        try:
            self.handlers[type(command)](command, correlation_id)
        except Killed:
            self.disturbed = True
            self.start_services()
            if not isinstance(command, Sweep):
                self.post.published.append(message)
        except NotFoundError:
            assert not self._is_known(command), f"{command!r} found its run and its round, and yet not all it needs"

    def sweep(self) -> None:
        """As the beat has it done."""
        self.deliver((Sweep(), "beat"))

    def settle(self) -> None:
        """Deliver all that is under way, and all that this sends, in order."""
        while self.post.published:
            self.deliver(self.post.published.pop(0))

    def _is_known(self, command: BaseModel) -> bool:
        """Whether the ledger has what the command is about: a message may outlive its run, or a lost ledger."""
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
        """Put, then recorded, then published: so a command's run, round and objects are there before the command."""
        if not self._is_known(command):
            # Deleted meanwhile. A worker that knew the run's plan may still tell a fact of it.
            return self.fate.raced or isinstance(command, HandleFact)
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
            case RoundAggregated():
                made = fact.aggregation
                needed = [
                    object_keys.model(made.model_sha256),
                    object_keys.class_embeddings(fact.run_id, made.class_embeddings_sha256),
                    object_keys.aggregation(fact.run_id, fact.round, fact.accepted_digest),
                ]
            case RoundEvaluated():
                needed = [object_keys.report(fact.run_id, fact.round)]
            case _:
                needed = []
        return set(needed) <= set(self.artifacts.keys(""))
