"""Counts the calls that the services make of the ledger and of the store, message by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from pydantic import BaseModel

from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger
from fedface_core.domain.plan import Plan
from support.in_process import InProcess


class Counted:
    """Passes every call on to another object, and counts it by its name."""

    def __init__(self, counted: object, counts: Counter[str]) -> None:
        self._counted = counted
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._counted, name)

        @wraps(method)
        def call(*args: Any, **options: Any) -> Any:
            self._counts["save_opened" if options.get("opened") is not None else name] += 1
            return method(*args, **options)

        return call


class CountedServices(InProcess):
    """The services in one process, with the calls that each message made: of the ledger and of the store below the
    signatures. What they publish is counted as messages.
    """

    def __init__(self, plan: Plan) -> None:
        clock = ManualClock()
        self.counts: Counter[str] = Counter()
        self.of_messages: list[tuple[BaseModel, Counter[str]]] = []
        ledger: Any = Counted(MemoryLedger(clock), self.counts)
        artifacts: Any = Counted(MemoryArtifacts(clock), self.counts)
        super().__init__(plan, clock=clock, ledger=ledger, artifacts=artifacts)

    def deliver(self, command: BaseModel, correlation_id: str) -> None:
        """Hand one message to its service, and keep the calls that it made."""
        self.counts.clear()
        waiting = len(self.publisher.published)
        super().deliver(command, correlation_id)
        self.counts["publish"] = len(self.publisher.published) - waiting
        self.of_messages.append((command, Counter({name: count for name, count in self.counts.items() if count})))
        self.counts.clear()
