"""What a worker that computes has at hand: the ports, the runs it works on, and the model versions."""

from __future__ import annotations

from functools import lru_cache

from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.ports import Ports
from fedface_core.runtime.model_versions import ModelVersions


class Workbench:
    """One for each process. Keeps what never changes in a run, so that a task asks the ledger and the store for little."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.models = ModelVersions(ports.artifacts)
        self._plan = lru_cache(maxsize=16)(lambda run_id: ports.ledger.load(run_id).plan)
        self._opened_round = lru_cache(maxsize=16)(ports.ledger.load_round)

    def plan(self, run_id: str) -> Plan:
        """The run's plan."""
        return self._plan(run_id)

    def opened_round(self, run_id: str, number: int) -> Round:
        """A round as it was when first asked for: its phase may be old, and whoever needs that asks the ledger."""
        return self._opened_round(run_id, number)
