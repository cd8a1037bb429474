"""What a worker that computes has at hand: the ports, the runs it works on, and the model versions."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from pydantic import BaseModel

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.domain.events import Fact
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.learning.codec import decode_tensors
from fedface_core.learning.strategies import NOTHING, Tensors
from fedface_core.ports import Ports
from fedface_core.runtime.model_versions import ModelVersions

StoredT = TypeVar("StoredT", bound=BaseModel)


class Workbench:
    """One for each process. Keeps what never changes in a run, so that a task asks the ledger and the store for little."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.models = ModelVersions(ports.artifacts)
        self._plan = lru_cache(maxsize=16)(lambda run_id: ports.ledger.load(run_id).plan)
        self._guidance = lru_cache(maxsize=1)(lambda key: decode_tensors(ports.artifacts.get(key))[0])
        self._opened_round = lru_cache(maxsize=16)(ports.ledger.load_round)

    def plan(self, run_id: str) -> Plan:
        """The run's plan."""
        return self._plan(run_id)

    def opened_round(self, run_id: str, number: int) -> Round:
        """A round as it was when first asked for: its phase may be old, and whoever needs that asks the ledger.

        Asynchronously it is asked for each time: where a ledger was lost, another round may have its number now.
        """
        if self.plan(run_id).aggregation.waits_for_nobody:
            return self.ports.ledger.load_round(run_id, number)
        return self._opened_round(run_id, number)

    def guidance(self, run_id: str, sha256: str | None) -> Tensors:
        """What the clients of a round may read beside the model: fetched once per process, and the newest kept."""
        return NOTHING if sha256 is None else self._guidance(object_keys.guidance(run_id, sha256))

    def stored(self, key: str, kind: type[StoredT]) -> StoredT | None:
        """What an earlier delivery of the task put under ``key``; None where none came so far."""
        try:
            return kind.model_validate_json(self.ports.artifacts.get(key))
        except ArtifactMissingError:
            return None

    def report(self, fact: Fact, correlation_id: str) -> None:
        """Tell control of a fact."""
        self.ports.publisher.publish(HandleFact(run_id=fact.run_id, fact=fact), correlation_id=correlation_id)
