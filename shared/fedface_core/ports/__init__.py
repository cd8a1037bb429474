"""The four ports through which the system touches the world. Each has one contract suite, in tests/contract, that every
adapter passes. Adapters turn the errors of others' libraries into those of `fedface_core.domain.errors`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.ports.artifacts import ArtifactStore
from fedface_core.ports.clock import Clock
from fedface_core.ports.ledger import (
    EndedRound,
    RecordedEvent,
    RoundSettlement,
    RoundSummary,
    RunLedger,
    RunRecords,
    RunViews,
)
from fedface_core.ports.publisher import TaskPublisher

__all__ = [
    "ArtifactStore",
    "Clock",
    "EndedRound",
    "Ports",
    "RecordedEvent",
    "RoundSettlement",
    "RoundSummary",
    "RunLedger",
    "RunRecords",
    "RunViews",
    "TaskPublisher",
]


@dataclass(frozen=True)
class Ports:
    """The four ports, as a service holds them."""

    ledger: RunLedger
    artifacts: ArtifactStore
    publisher: TaskPublisher
    clock: Clock
