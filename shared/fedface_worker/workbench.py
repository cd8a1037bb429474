"""What a worker that computes has at hand: the ports, the runs it works on, and what it has fetched or opened for them."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from pydantic import BaseModel

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.domain.facts import Fact
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.ports import Ports
from fedface_learning.data import CachedDataset, FaceDataset, ImageSize, open_dataset
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.strategies import NOTHING, Tensors
from fedface_worker.checked_artifacts import get_checked
from fedface_worker.model_versions import ModelVersions

StoredT = TypeVar("StoredT", bound=BaseModel)


class Workbench:
    """One for each process. Keeps what never changes in a run, so that a task asks the ledger and the store for little.

    A deleted run that is created again with its key has its old id. So what is kept goes by the correlation id too, which
    each run draws anew, and which comes with every command.
    """

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.models = ModelVersions(ports.artifacts)
        self._plan = lru_cache(maxsize=16)(lambda run_id, _correlation_id: ports.ledger.load(run_id).plan)
        self._opened_round = lru_cache(maxsize=16)(
            lambda run_id, number, _correlation_id: ports.ledger.load_round(run_id, number)
        )
        self._guidance = lru_cache(maxsize=1)(lambda *named: decode_tensors(get_checked(ports.artifacts, *named))[0])
        self._photographs = lru_cache(maxsize=2)(lambda *what: CachedDataset(open_dataset(*what)))

    def plan(self, run_id: str, correlation_id: str) -> Plan:
        """The run's plan."""
        return self._plan(run_id, correlation_id)

    def opened_round(self, run_id: str, number: int, correlation_id: str) -> Round:
        """A round as it was when first asked for: its phase may be old, and whoever needs that asks the ledger.

        Asynchronously it is asked for each time: where a ledger was lost, another round may have its number now.
        """
        if self.plan(run_id, correlation_id).aggregation.is_asynchronous:
            return self.ports.ledger.load_round(run_id, number)
        return self._opened_round(run_id, number, correlation_id)

    def guidance(self, run_id: str, sha256: str | None) -> Tensors:
        """What the clients of a round may read beside the model: fetched once per process, and the newest kept.

        Errors are `get_checked`'s.
        """
        return NOTHING if sha256 is None else self._guidance(object_keys.guidance(run_id, sha256), sha256)

    def photographs(self, plan: Plan) -> FaceDataset:
        """The plan's data set, opened once per process, which remembers the images that it was asked for."""
        return self._photographs(plan.data, ImageSize.of(plan.model), plan.split.identities)

    def stored(self, key: str, kind: type[StoredT]) -> StoredT | None:
        """What an earlier delivery of the task put under ``key``; None where none came so far."""
        try:
            return kind.model_validate_json(self.ports.artifacts.get(key))
        except ArtifactMissingError:
            return None

    def report(self, fact: Fact, correlation_id: str) -> None:
        """Tell control of a fact."""
        self.ports.publisher.publish(HandleFact(run_id=fact.run_id, fact=fact), correlation_id=correlation_id)
