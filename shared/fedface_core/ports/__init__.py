"""The four ports of every service: the interfaces to ledger, artifact store, broker and clock. The API has two more,
the store of API keys and the dead letters.

Each port has one contract suite in tests/contract, which every adapter passes. Adapters translate the errors of other
libraries into those of `fedface_core.domain.errors`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fedface_core.ports.api_keys import MOST_KEYS, ApiKeys
from fedface_core.ports.artifacts import ArtifactStore, NothingSigned, Signatures, StoredObject
from fedface_core.ports.clock import Clock
from fedface_core.ports.dead_letters import DeadLetters, NoDeadLetters
from fedface_core.ports.deleted_runs import DELETED_KEPT, LEFTOVERS_AT_ONCE, DeletedRuns
from fedface_core.ports.forwarded_artifacts import ForwardedArtifacts
from fedface_core.ports.ledger import (
    EndedRound,
    EventDeliveries,
    RecordedEvent,
    RoundSettlement,
    RoundSummary,
    RunLedger,
    RunRecords,
    RunViews,
)
from fedface_core.ports.publisher import TaskPublisher, WorkerPresence
from fedface_core.ports.step_failures import StepFailures

__all__ = [
    "DELETED_KEPT",
    "LEFTOVERS_AT_ONCE",
    "MOST_KEYS",
    "ApiKeys",
    "ArtifactStore",
    "Clock",
    "DeadLetters",
    "DeletedRuns",
    "EndedRound",
    "EventDeliveries",
    "ForwardedArtifacts",
    "NoDeadLetters",
    "NothingSigned",
    "Ports",
    "RecordedEvent",
    "RoundSettlement",
    "RoundSummary",
    "RunLedger",
    "RunRecords",
    "RunViews",
    "Signatures",
    "StepFailures",
    "StoredObject",
    "TaskPublisher",
    "WorkerPresence",
]


@dataclass(frozen=True)
class Ports:
    """One adapter of each port: what a service needs of the outside world."""

    ledger: RunLedger
    artifacts: ArtifactStore
    publisher: TaskPublisher
    clock: Clock
    signatures: Signatures = field(default_factory=NothingSigned)
    """Of the artifact store."""
    dead_letters: DeadLetters = field(default_factory=NoDeadLetters)
    """For the API alone."""
