"""The adversary, which injects faults into a run: a seed decides which faults, the run's progress decides when."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from loadtest.chaos.messages import BrokerUnavailableError, Message, Messages
from loadtest.chaos.progress import Progress, last_evaluation_at
from loadtest.chaos.services import Services
from loadtest.chaos.write_refusal import WriteRefusal

_DELAY_SECONDS = (1.0, 6.0)
# The last round cannot end without this service. It is killed there if a fault is still owed, by a kill kept back for it if
# need be, and stays dead until none is: so every fault comes before the end of the run, however long its service is away.
_NEEDED_BY_LAST_ROUND = "evaluator"
# The services whose clock goes wrong: those that set deadlines, and those that have to keep them.
WRONG_CLOCKS = ("client", "sweep")


class FaultKind(StrEnum):
    """What an adversary can do."""

    KILL = "kill"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    FREEZE = "freeze"
    CUT = "cut"
    CLOCK = "clock"
    REFUSAL = "refusal"
    FILL = "fill"


# What waits for its service to be there. The other faults need a message in a queue, which there may never be again.
_OWED = frozenset(FaultKind) - {FaultKind.DUPLICATE, FaultKind.DELAY}


@dataclass(frozen=True)
class PlannedFault:
    """A fault that is to happen once the run's progress has reached ``due``, in rounds."""

    due: float
    kind: FaultKind


@dataclass(frozen=True)
class InjectedFault:
    """A fault that has happened: its target, the last progress that was read before it, and its moment (UTC)."""

    kind: FaultKind
    target: str
    progress: Progress
    at: datetime


def plan_faults(draws: random.Random, rounds: int, kills: int, *, with_store: bool) -> list[PlannedFault]:
    """Draw the faults of a run of ``rounds`` training rounds, in the order in which they become due.

    There are ``kills`` kills, as many duplicates and as many delays, some refusals of writes, and a wrong clock of each of
    `WRONG_CLOCKS`. ``with_store`` adds freezes of the store, a cut and a fill.
    """
    end = last_evaluation_at(rounds)
    counts = {FaultKind.KILL: kills, FaultKind.DUPLICATE: kills, FaultKind.DELAY: kills}
    faults = [PlannedFault(draws.uniform(0.0, end), kind) for kind, count in counts.items() for _ in range(count)]
    if with_store:  # before the last round, so that a store that was killed has time to come back
        store_faults = [FaultKind.FREEZE] * (1 + kills // 10) + [FaultKind.CUT, FaultKind.FILL]
        faults += [PlannedFault(draws.uniform(0.0, end - 1), kind) for kind in store_faults]
    faults += [PlannedFault(draws.uniform(0.0, end - 1), FaultKind.CLOCK) for _ in WRONG_CLOCKS]
    faults += [PlannedFault(draws.uniform(0.0, end - 1), FaultKind.REFUSAL) for _ in range(1 + kills // 10)]
    return sorted(faults, key=lambda fault: fault.due)


class Adversary:
    """Injects planned faults into a stack while its run goes on. ``injected`` lists those that have happened so far."""

    def __init__(
        self,
        services: Services,
        messages: Messages,
        faults: Sequence[PlannedFault],
        last_round: int,
        draws: random.Random,
        refusal: WriteRefusal,
    ) -> None:
        self.injected: list[InjectedFault] = []
        self.services = services
        self.last_progress = Progress(None, "created", 0.0)
        self._messages = messages
        self._refusal = refusal
        self._pending = list(faults)
        self._last_round = last_round
        self._draws = draws
        self._next_targets: list[str] = []
        self._right_clocks = list(WRONG_CLOCKS)
        self._delayed: list[tuple[float, Message]] = []

    def kills_left(self) -> int:
        """The number of kills that have not happened yet."""
        return sum(fault.kind is FaultKind.KILL for fault in self._pending)

    def step(self, progress: Progress | None) -> None:
        """Inject the faults that are due, at most one of a kind. ``progress`` is None if the ledger did not answer."""
        self.last_progress = progress or self.last_progress
        in_last_round = self.last_progress.round == self._last_round
        self.services.tick(kept_dead=_NEEDED_BY_LAST_ROUND if in_last_round and self._owed() else None)
        self._refusal.tick()
        self._return_delayed()
        if in_last_round and self.kills_left() and _NEEDED_BY_LAST_ROUND in self.services.running:
            self._kill(_NEEDED_BY_LAST_ROUND)
            return
        tried: set[FaultKind] = set()
        for fault in [fault for fault in self._pending if fault.due <= self.last_progress.amount]:
            if fault.kind not in tried:
                tried.add(fault.kind)
                self._inject(fault)

    def stop(self) -> None:
        """Start every service again, and put every delayed message back into its queue."""
        self._refusal.end()  # without writes, no service would become ready
        self.services.restart_all()
        for _, message in self._delayed:
            self._messages.put(message)
        self._delayed.clear()

    def counts(self) -> dict[str, dict[str, int]]:
        """How often each fault happened: kind → target → number."""
        return {
            kind.value: dict(sorted(Counter(fault.target for fault in self.injected if fault.kind is kind).items()))
            for kind in FaultKind
        }

    def _owed(self) -> set[FaultKind]:
        """The kinds of fault that have to happen before the run ends, and have not all happened yet."""
        return {fault.kind for fault in self._pending} & _OWED

    def _inject(self, fault: PlannedFault) -> None:
        match fault.kind:
            case FaultKind.KILL:
                kept_back = self.last_progress.round != self._last_round and self._owed() - {FaultKind.KILL}
                target = None if kept_back and self.kills_left() == 1 else self._draw_target()
                if target is not None:
                    self._kill(target)
            case FaultKind.FREEZE | FaultKind.CUT | FaultKind.FILL:
                if "s3" in self.services.stable:
                    services = self.services
                    disturb = {FaultKind.FREEZE: services.freeze, FaultKind.CUT: services.cut, FaultKind.FILL: services.fill}
                    disturb[fault.kind]("s3")
                    self._record(fault, "s3")
            case FaultKind.CLOCK:
                target = next((name for name in self._right_clocks if name in self.services.running), None)
                if target is not None:
                    self._right_clocks.remove(target)
                    self.services.put_clock_wrong(target)
                    self._record(fault, target)
            case FaultKind.REFUSAL:
                if "valkey" in self.services.stable and self._refusal.begin():
                    self._record(fault, "valkey")
            case FaultKind.DUPLICATE | FaultKind.DELAY:
                try:
                    message = self._messages.duplicate() if fault.kind is FaultKind.DUPLICATE else self._messages.take()
                except BrokerUnavailableError:
                    return
                if message is not None:
                    if fault.kind is FaultKind.DELAY:
                        self._delayed.append((time.monotonic() + self._draws.uniform(*_DELAY_SECONDS), message))
                    self._record(fault, message.task)

    def _kill(self, target: str) -> None:
        self.services.kill(target)
        self._record(next(fault for fault in self._pending if fault.kind is FaultKind.KILL), target)

    def _draw_target(self) -> str | None:
        """A service that can be killed now, or None. Each is drawn as often as the others, in a random order."""
        if not self._next_targets:
            self._next_targets = sorted(self.services.names)
            self._draws.shuffle(self._next_targets)
        stable = sorted(self.services.stable)
        for name in self._next_targets:
            if name in stable:
                self._next_targets.remove(name)
                return name
        # The services whose turn it is are away, perhaps until this very kill has happened.
        return self._draws.choice(stable) if stable else None

    def _record(self, fault: PlannedFault, target: str) -> None:
        self._pending.remove(fault)
        self.injected.append(InjectedFault(fault.kind, target, self.last_progress, datetime.now(UTC)))

    def _return_delayed(self) -> None:
        now = time.monotonic()
        due = [(at, message) for at, message in self._delayed if at <= now]
        try:
            for entry in due:
                self._messages.put(entry[1])
                self._delayed.remove(entry)
        except BrokerUnavailableError:
            return
