"""The adversary: a seed decides what it does, the run's progress decides when."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from loadtest.chaos.messages import BrokerAwayError, Message, Messages
from loadtest.chaos.progress import Progress, end_of
from loadtest.chaos.services import Services

_DELAY_SECONDS = (1.0, 6.0)
# Whom the last round cannot do without: it stays dead until all kills have happened, so that none comes after the end.
_GATE = "evaluator"


class Fault(StrEnum):
    """What an adversary can do."""

    KILL = "kill"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    FREEZE = "freeze"
    CUT = "cut"


@dataclass(frozen=True)
class Strike:
    """A fault that is due once the run has come ``at``, in rounds."""

    at: float
    fault: Fault


@dataclass(frozen=True)
class Deed:
    """A strike that happened: to whom, and where the run was last seen."""

    fault: Fault
    target: str
    seen: Progress
    at: datetime


def draw_strikes(draw: random.Random, rounds: int, kills: int, *, with_store: bool) -> list[Strike]:
    """``kills`` kills, as many duplicates and delays, and breaks of the store, in the order in which they become due."""
    end = end_of(rounds)
    counts = {Fault.KILL: kills, Fault.DUPLICATE: kills, Fault.DELAY: kills}
    strikes = [Strike(draw.uniform(0.0, end), fault) for fault, count in counts.items() for _ in range(count)]
    if with_store:  # before the last round, which leaves time for a store that was killed to be there again
        breaks = [Fault.FREEZE] * (1 + kills // 10) + [Fault.CUT]
        strikes += [Strike(draw.uniform(0.0, end - 1), fault) for fault in breaks]
    return sorted(strikes, key=lambda strike: strike.at)


class Adversary:
    """Strikes at a stack while its run goes on. ``deeds`` is what has happened so far."""

    def __init__(
        self, services: Services, messages: Messages, strikes: Sequence[Strike], last_round: int, draw: random.Random
    ) -> None:
        self.deeds: list[Deed] = []
        self.services = services
        self._messages = messages
        self._pending = list(strikes)
        self._last_round = last_round
        self._draw = draw
        self._bag: list[str] = []
        self._late: list[tuple[float, Message]] = []
        self.seen = Progress(None, "created", 0.0)

    def kills_left(self) -> int:
        """How many kills have not happened yet."""
        return sum(strike.fault is Fault.KILL for strike in self._pending)

    def step(self, seen: Progress | None) -> None:
        """Do what is due; ``seen`` is None where the ledger did not answer. At most one kill a step."""
        self.seen = seen or self.seen
        last = self.seen.round == self._last_round
        self.services.tick(held=_GATE if last and self.kills_left() else None)
        self._return_late()
        if last and self.kills_left() and _GATE in self.services.running:
            self._kill(_GATE)
            return
        tried: set[Fault] = set()
        for strike in [strike for strike in self._pending if strike.at <= self.seen.amount]:
            if strike.fault in tried:  # one of a sort a step
                continue
            tried.add(strike.fault)
            self._try(strike)

    def cease(self) -> None:
        """Peace: every service runs again, and every message that was held back is on its queue."""
        self.services.bring_all_back()
        for _, message in self._late:
            self._messages.put(message)
        self._late.clear()

    def counts(self) -> dict[str, dict[str, int]]:
        """Fault → target → how often."""
        return {
            fault.value: dict(sorted(Counter(deed.target for deed in self.deeds if deed.fault is fault).items()))
            for fault in Fault
        }

    def _try(self, strike: Strike) -> None:
        match strike.fault:
            case Fault.KILL:
                target = self._next_victim()
                if target is not None:
                    self._kill(target)
            case Fault.FREEZE | Fault.CUT:
                if "s3" in self.services.settled:
                    (self.services.freeze if strike.fault is Fault.FREEZE else self.services.cut)("s3")
                    self._note(strike, "s3")
            case Fault.DUPLICATE | Fault.DELAY:
                try:
                    message = self._messages.duplicate() if strike.fault is Fault.DUPLICATE else self._messages.take()
                except BrokerAwayError:
                    return
                if message is not None:
                    if strike.fault is Fault.DELAY:
                        self._late.append((time.monotonic() + self._draw.uniform(*_DELAY_SECONDS), message))
                    self._note(strike, message.task)

    def _kill(self, target: str) -> None:
        self.services.kill(target)
        self._note(next(strike for strike in self._pending if strike.fault is Fault.KILL), target)

    def _next_victim(self) -> str | None:
        """A service that can be killed now. Each comes as often as the others, in an order that is drawn."""
        if not self._bag:
            self._bag = sorted(self.services.all)
            self._draw.shuffle(self._bag)
        settled = sorted(self.services.settled)
        for name in self._bag:
            if name in settled:
                self._bag.remove(name)
                return name
        # The others of the bag are away, perhaps until this very kill has happened.
        return self._draw.choice(settled) if settled else None

    def _note(self, strike: Strike, target: str) -> None:
        self._pending.remove(strike)
        self.deeds.append(Deed(strike.fault, target, self.seen, datetime.now(UTC)))

    def _return_late(self) -> None:
        now = time.monotonic()
        due = [(at, message) for at, message in self._late if at <= now]
        try:
            for entry in due:
                self._messages.put(entry[1])
                self._late.remove(entry)
        except BrokerAwayError:
            return
