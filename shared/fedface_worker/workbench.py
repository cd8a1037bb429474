"""The workbench: what a compute worker keeps between tasks (ports, plans, rounds, model versions, data sets)."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import structlog
from pydantic import BaseModel

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import Command, HandleFact
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.domain.facts import Fact
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundState
from fedface_core.ports import Ports
from fedface_core.signing.errors import SignatureError
from fedface_learning.data import NOWHERE, PhotographRoots
from fedface_learning.data.cached_dataset import MAX_BYTES
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.strategies import NOTHING, Tensors
from fedface_worker.checked_artifacts import get_checked
from fedface_worker.data_sets import DataSets, Photographs
from fedface_worker.masked_shards import ShardRounds
from fedface_worker.model_versions import ModelVersions

log = structlog.get_logger(__name__)
StoredT = TypeVar("StoredT", bound=BaseModel)


class Workbench:
    """Keeps what never changes in a run, so that a task reads little from ledger and store. There is one in each process.

    A run that is deleted and created again with its idempotency key gets its old id. So cached values are keyed by the
    correlation id too: every run draws a new one, and every command carries it.
    """

    def __init__(self, ports: Ports, max_image_bytes: int = MAX_BYTES, *, roots: PhotographRoots = NOWHERE) -> None:
        """Up to ``max_image_bytes`` bytes of images are kept of each data set. Photographs, and the lists about them that a
        plan names, are read below the ``roots`` only.
        """
        self.ports = ports
        self.roots = roots
        self.models = ModelVersions(ports.artifacts)
        self.shard_rounds = ShardRounds(ports)
        self._run = lru_cache(maxsize=16)(lambda run_id, _correlation_id: ports.ledger.load(run_id))
        # After a loss of the ledger, or in another life of a run, another round may have its number, but not its time.
        self._cohort = lru_cache(maxsize=4)(
            lambda run_id, number, _opened_at: ports.ledger.load_round(run_id, number).cohort
        )
        self._guidance = lru_cache(maxsize=1)(
            lambda key, sha256: decode_tensors(get_checked(ports.artifacts, key, sha256))[0]
        )
        self._data_sets = DataSets(ports.artifacts, max_image_bytes, roots)

    def plan(self, run_id: str, correlation_id: str) -> Plan:
        """The plan of a run. `NotFoundError` if the ledger has no such run."""
        plan: Plan = self._run(run_id, correlation_id).plan
        return plan

    def is_outdated(self, command: Command, correlation_id: str) -> bool:
        """Whether the command is for an earlier life of its run: the run was deleted, and created again, since it was sent.

        `NotFoundError` if the ledger has no such run.
        """
        outdated: bool = self._run(command.run_id, correlation_id).correlation_id != correlation_id
        if outdated:
            log.warning("command_ignored", reason="its run was deleted, and created again, since it was sent")
        return outdated

    def current_round(self, run_id: str, number: int) -> Round:
        """A round as it is now. `NotFoundError` if there is no such run, or the round was never opened.

        It is read each time: Redis may have lost its last seconds, and then another round, from another model version, may
        have the number. Each process reads the cohort of a round once, since it never changes: whoever takes many tasks of a
        round, each about a few clients, does not read all clients for each of them.
        """
        state = self.ports.ledger.round_state(run_id, number)
        return Round.model_construct(**dict(state), cohort=self._cohort(run_id, number, state.opened_at))

    def guidance(self, run_id: str, sha256: str | None) -> Tensors:
        """The guidance of a round, by name; no tensors if ``sha256`` is None. Each process fetches it once, and keeps the
        newest.

        `DamagedObjectError` if the object has another SHA-256, `ArtifactMissingError` if there is no such object.
        """
        return NOTHING if sha256 is None else self._guidance(object_keys.guidance(run_id, sha256), sha256)

    def photographs(self, plan: Plan, current: RoundState) -> Photographs:
        """The photographs of the plan's data set, and its split, for the round ``current``.

        Each process opens a data set once, and keeps the images that were read from it. `DataError` if the data set cannot
        be opened, has too few identities, or has other identities than when the run was prepared.
        """
        return self._data_sets.photographs(plan, current)

    def stored(self, key: str, kind: type[StoredT]) -> StoredT | None:
        """The object under ``key``, which an earlier delivery of the task may have put.

        None if there is none, or if it is not signed by the service that makes it: then it is made again.
        """
        try:
            return kind.model_validate_json(self.ports.artifacts.get(key))
        except ArtifactMissingError:
            return None
        except SignatureError as error:
            log.warning("object_not_believed", key=key, reason=str(error))
            return None

    def report(self, fact: Fact, correlation_id: str) -> None:
        """Publish a fact for control."""
        self.ports.publisher.publish(HandleFact(run_id=fact.run_id, fact=fact), correlation_id=correlation_id)
