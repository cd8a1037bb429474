"""Which artifacts a run names: by its record and rounds in the ledger, or in the store, and by results not yet recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pydantic import BaseModel

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, NotFoundError
from fedface_core.domain.ids import RUN_ID_PATTERN
from fedface_core.domain.results import Aggregation
from fedface_core.domain.round import RoundState
from fedface_core.domain.run import ENDED, Run
from fedface_core.ports import ArtifactStore, Ports, RunLedger

MOST_RECORD_BYTES: Final = 256 << 20
"""A larger object is no record. A manifest has some 500 bytes for each client."""
RecordT = TypeVar("RecordT", bound=BaseModel)
_RUN_ID: Final = re.compile(RUN_ID_PATTERN)


@dataclass
class NamedArtifacts:
    """What one run names: model versions, and artifacts in the run's folder. For the latter: ``key in named_artifacts``."""

    models: set[str] = field(default_factory=set)
    """SHA-256 of model versions."""
    round_objects: set[str] = field(default_factory=set)
    """SHA-256 of class embeddings, server states, guidance and identity lists."""
    all_identity_lists: bool = False
    """True while the run waits for its identity list, whose SHA-256 only a message may know."""
    updates_kept_from: int = 0
    """The first round whose updates, partials and residuals stay."""
    residuals: set[tuple[int, str]] = field(default_factory=set)
    """Round and client of older residuals that clients still need."""

    def add_run(self, run: Run, rounds: Iterable[RoundState]) -> None:
        """Add everything that the run with these rounds names."""
        self.all_identity_lists |= run.identity_list_sha256 is None and run.phase not in ENDED
        self.models |= {sha256 for sha256 in (run.plan.model.stored_weights, run.model_sha256) if sha256}
        self.round_objects |= {run.identity_list_sha256 or ""}
        for state in rounds:
            self.models |= {sha256 for sha256 in (state.model_sha256, state.anchor_sha256) if sha256}
            started_from = (state.class_embeddings_sha256, state.server_state_sha256, state.guidance_sha256)
            self.round_objects |= {sha256 for sha256 in started_from if sha256}
            if state.number >= run.updates_kept_from:
                self.residuals |= {(number, client) for client, number in state.residuals.items()}
            if state.aggregation is not None:
                self.add_aggregation(state.aggregation)

    def add_aggregation(self, aggregation: Aggregation) -> None:
        """Add the objects that the aggregation of a round has made."""
        self.models.add(aggregation.model_sha256)
        others = (aggregation.class_embeddings_sha256, aggregation.server_state_sha256, aggregation.guidance_sha256)
        self.round_objects |= {sha256 for sha256 in others if sha256}

    def __contains__(self, key: str) -> bool:
        """Whether the run names this artifact in its folder."""
        parts = key.split("/")
        kind = object_keys.kind(key)
        name = parts[-1].split(".")[0]
        if kind in ("class_embedding", "server_state", "guidance"):
            return name in self.round_objects
        if kind == "row":
            return object_keys.parse_row_key(key) in self.round_objects
        if kind == "identity_list":
            return self.all_identity_lists or name in self.round_objects
        if kind == "residual" and object_keys.parse_residual_key(key) in self.residuals:
            return True
        return (
            kind not in ("update", "partial", "residual", *object_keys.OF_MASKS) or int(parts[3]) >= self.updates_kept_from
        )


def named_by(ports: Ports, run_id: str) -> NamedArtifacts:
    """What the run names, by the ledger, or by the store if the ledger has lost the run.

    Aggregations that are stored and not recorded yet are not counted; see `aggregations`. `DamagedObjectError` or
    `UnknownSchemaError` if a record or a manifest cannot be read.
    """
    try:
        return named_by_recorded(ports.ledger, ports.ledger.load(run_id))
    except NotFoundError:
        return _named_by_lost(ports.artifacts, run_id)


def named_by_recorded(ledger: RunLedger, run: Run) -> NamedArtifacts:
    """What a run names that the ledger has."""
    named = NamedArtifacts(updates_kept_from=run.updates_kept_from)
    named.add_run(run, [glance.round for glance in ledger.round_summaries(run.id)])
    return named


def manifests(artifacts: ArtifactStore, run_id: str) -> Iterator[Manifest]:
    """The run's manifests, in the order of its rounds.

    `DamagedObjectError` or `UnknownSchemaError` if one of them cannot be read.
    """
    keys = [key for key in artifacts.keys(f"{object_keys.run_folder(run_id)}rounds/") if object_keys.kind(key) == "manifest"]
    for key in sorted(keys, key=lambda key: int(key.split("/")[3])):
        with suppress(ArtifactMissingError):  # removed since the keys were listed
            manifest = read_record(artifacts, Manifest, key)
            _require_own(manifest, run_id, key)
            yield manifest


def aggregations(artifacts: ArtifactStore, run_id: str) -> Iterator[Aggregation]:
    """The aggregations of the run's rounds in the store, whether the ledger has recorded them or not.

    One may not be recorded yet: the task that put it finds it again, and reports it. `DamagedObjectError` or
    `UnknownSchemaError` if one of them cannot be read.
    """
    for key in artifacts.keys(f"{object_keys.run_folder(run_id)}rounds/"):
        if object_keys.kind(key) == "aggregation":
            with suppress(ArtifactMissingError):  # removed since the keys were listed
                yield read_record(artifacts, Aggregation, key)


def read_run_record(artifacts: ArtifactStore, run_id: str) -> Run:
    """The run's record in the store.

    `ArtifactMissingError` if there is none; `DamagedObjectError` or `UnknownSchemaError` if it cannot be read.
    """
    key = object_keys.run(run_id)
    run = read_record(artifacts, Run, key)
    if run.id != run_id:
        raise DamagedObjectError(f"the object {key} is about {run.id}")
    return run


def read_record(artifacts: ArtifactStore, kind: type[RecordT], key: str) -> RecordT:
    """The record under a key. Its size is looked at first.

    `ArtifactMissingError` if there is none; `DamagedObjectError` or `UnknownSchemaError` if it cannot be read.
    """
    size = artifacts.size(key)
    if size > MOST_RECORD_BYTES:
        raise DamagedObjectError(f"the object {key} has {size} bytes, more than any record")
    return read_versioned(kind, artifacts.get(key))


def _require_own(manifest: Manifest, run_id: str, key: str) -> None:
    """Refuse a manifest that is not of the run and the round of its key, or that has clients who were not invited."""
    ended = manifest.round
    strangers = (manifest.accepted.keys() | manifest.failed.keys()) - set(ended.cohort)
    if (manifest.run.id, ended.run_id, object_keys.manifest(run_id, ended.number)) != (run_id, run_id, key) or strangers:
        raise DamagedObjectError(f"the object {key} is no manifest of this round")


def restorable_runs(keys: Iterable[str]) -> set[str]:
    """The ids of runs that have a record or a manifest among the artifacts ``keys``."""
    runs = {key.split("/")[1] for key in keys if object_keys.kind(key) in ("run", "manifest")}
    return {run_id for run_id in runs if _RUN_ID.fullmatch(run_id)}


def _named_by_lost(artifacts: ArtifactStore, run_id: str) -> NamedArtifacts:
    """What a run names that only the store has: by its record, such as its plan's weights, and by its manifests."""
    named = NamedArtifacts()
    with suppress(ArtifactMissingError):
        named.add_run(read_run_record(artifacts, run_id), [])
    for manifest in manifests(artifacts, run_id):
        named.add_run(manifest.run, [manifest.round])
    return named
