"""What the ledger in memory keeps: runs, their rounds and their events. All parts of the ledger use it."""

from __future__ import annotations

import threading
from datetime import datetime

from fedface_core.adapters.audit_trail import EventData
from fedface_core.adapters.memory.round import MemoryRound
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.failures import StepFailure
from fedface_core.domain.run import Run
from fedface_core.ports import Clock, RecordedEvent


class MemoryRuns:
    """The base class of `MemorySettlement` and `MemoryLedger`: a clock, a lock, and the runs by their ids."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._runs: dict[str, Run] = {}
        self._rounds: dict[str, dict[int, MemoryRound]] = {}
        self._events: dict[str, list[RecordedEvent]] = {}
        # Deleted run → when it was deleted; those of them in whose folders late objects may lie.
        self._deleted: dict[str, datetime] = {}
        self._leftovers: set[str] = set()
        # Run → step → its failures, of steps that belong to no round.
        self._failures: dict[str, dict[str, StepFailure]] = {}
        # Run → receiver of webhooks → id of the last event that it was told of; receiver → when it was first named.
        self._delivered: dict[str, dict[str, str]] = {}
        self._receivers: dict[str, datetime] = {}

    def load(self, run_id: str) -> Run:
        """The run as it is stored now."""
        with self._lock:
            if run_id not in self._runs:
                raise NotFoundError(f"there is no run {run_id}")
            return self._runs[run_id]

    def _state(self, run_id: str, number: int) -> MemoryRound:
        self.load(run_id)
        if number not in self._rounds[run_id]:
            raise NotFoundError(f"{run_id} has no round {number}")
        return self._rounds[run_id][number]

    def _record(self, run_id: str, name: str, data: EventData) -> None:
        events = self._events[run_id]
        events.append(RecordedEvent(id=f"{len(events) + 1}-0", at=self._clock.now(), name=name, data=data))
