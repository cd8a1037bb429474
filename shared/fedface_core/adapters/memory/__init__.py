"""Adapters of all ports in memory, for tests and for services in one process."""

from __future__ import annotations

from fedface_core.adapters.memory.api_keys import MemoryApiKeys
from fedface_core.adapters.memory.artifacts import MemoryArtifacts
from fedface_core.adapters.memory.clock import ManualClock
from fedface_core.adapters.memory.dead_letters import MemoryDeadLetters
from fedface_core.adapters.memory.ledger import MemoryLedger
from fedface_core.adapters.memory.publisher import RecordingPublisher

__all__ = ["ManualClock", "MemoryApiKeys", "MemoryArtifacts", "MemoryDeadLetters", "MemoryLedger", "RecordingPublisher"]
