"""Which artifacts are named: by the ledger, manifests and records of runs, by results not yet recorded, by uploads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, UnknownSchemaError
from fedface_core.domain.results import Aggregation
from fedface_core.domain.round import RoundState
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import ArtifactStore, Ports

log = structlog.get_logger(__name__)


@dataclass
class NamedArtifacts:
    """The artifacts that must stay, as a set of keys: ``key in named_artifacts``."""

    models: set[str] = field(default_factory=set)
    """SHA-256 of model versions."""
    all_models: bool = False
    """True if a run waits for its initial model, whose SHA-256 only a message may know."""
    round_objects: set[str] = field(default_factory=set)
    """SHA-256 of class embeddings, server states, guidance and identity lists."""
    unlisted: set[str] = field(default_factory=set)
    """Runs that wait for their identity list, whose SHA-256 only a message may know."""
    updates_kept_from: dict[str, int] = field(default_factory=dict)
    """Run → the first round whose updates and partials stay. No object of a run that is not here is named."""
    residuals: set[tuple[str, int, str]] = field(default_factory=set)
    """Run, round and client of older residuals that clients still need."""
    unreadable: set[str] = field(default_factory=set)
    """Runs whose record or manifests are damaged or of another version, so that nobody knows what they name."""

    def add_run(self, run: Run, rounds: Iterable[RoundState]) -> None:
        """Add everything that a run with these rounds names."""
        self.updates_kept_from[run.id] = run.updates_kept_from
        self.all_models |= run.model_sha256 is None and run.phase not in ENDED | {RunPhase.CREATED}
        if run.identity_list_sha256 is None and run.phase not in ENDED:
            self.unlisted.add(run.id)
        self.models |= {run.plan.model.weights, run.model_sha256 or ""}
        self.round_objects |= {run.identity_list_sha256 or ""}
        for state in rounds:
            self.models.add(state.model_sha256)
            started_from = (state.class_embeddings_sha256, state.server_state_sha256, state.guidance_sha256)
            self.round_objects |= {sha256 for sha256 in started_from if sha256}
            if state.number >= run.updates_kept_from:
                self.residuals |= {(run.id, number, client) for client, number in state.residuals.items()}
            if state.aggregation is not None:
                self.add_aggregation(state.aggregation)

    def add_aggregation(self, aggregation: Aggregation) -> None:
        """Add the objects that the aggregation of a round has made."""
        self.models.add(aggregation.model_sha256)
        others = (aggregation.class_embeddings_sha256, aggregation.server_state_sha256, aggregation.guidance_sha256)
        self.round_objects |= {sha256 for sha256 in others if sha256}

    def __contains__(self, key: str) -> bool:
        """Whether the artifact is named."""
        parts = key.split("/")
        kind = object_keys.kind(key)
        name = parts[-1].split(".")[0]
        if kind == "model":
            return self.all_models or bool(self.unreadable) or name in self.models
        if kind == "upload":
            return True
        run_id = parts[1]
        if run_id in self.unreadable:
            return True
        kept_from = self.updates_kept_from.get(run_id)
        if kept_from is None:
            return False
        if kind in ("class_embedding", "server_state", "guidance"):
            return name in self.round_objects
        if kind == "identity_list":
            return name in self.round_objects or run_id in self.unlisted
        if kind == "residual" and (run_id, *object_keys.parse_residual_key(key)) in self.residuals:
            return True
        return kind not in ("update", "partial", "residual") or int(parts[3]) >= kept_from


def named_artifacts(ports: Ports, keys: Sequence[str], *, without: str | None = None) -> NamedArtifacts:
    """The named ones among the artifacts ``keys``. What only the run ``without`` names is not counted.

    A run that cannot be read is logged, and all of its objects and every model version count as named.
    """
    named = NamedArtifacts()
    in_ledger = {run.id: run for run in ports.ledger.runs()}
    for run in in_ledger.values():
        if run.id != without:
            named.add_run(run, [glance.round for glance in ports.ledger.round_summaries(run.id)])
    for run_id in restorable_runs(keys) - in_ledger.keys():
        try:
            _add_lost_run(named, ports.artifacts, run_id)
        except (UnknownSchemaError, DamagedObjectError) as error:
            log.warning("run_unreadable", run_id=run_id, reason=str(error))
            named.unreadable.add(run_id)
    for run_id in named.updates_kept_from:
        # An aggregation may not be recorded yet: the task that put it will find it again, and report it.
        for aggregation in aggregations(ports.artifacts, keys, run_id):
            named.add_aggregation(aggregation)
    named.models |= {key.removeprefix(object_keys.UPLOADS) for key in keys if key.startswith(object_keys.UPLOADS)}
    return named


def manifests(artifacts: ArtifactStore, run_id: str) -> Iterator[Manifest]:
    """The run's manifests, in the order of its rounds.

    `DamagedObjectError` or `UnknownSchemaError` if one of them cannot be read.
    """
    keys = [key for key in artifacts.keys(f"{object_keys.run_folder(run_id)}rounds/") if object_keys.kind(key) == "manifest"]
    for key in sorted(keys, key=lambda key: int(key.split("/")[3])):
        try:
            yield read_versioned(Manifest, artifacts.get(key))
        except ArtifactMissingError:  # removed since the keys were listed
            continue


def aggregations(artifacts: ArtifactStore, keys: Sequence[str], run_id: str) -> Iterator[Aggregation]:
    """The aggregations of the run's rounds among the artifacts ``keys``, whether the ledger has recorded them or not.

    `DamagedObjectError` or `UnknownSchemaError` if one of them cannot be read.
    """
    for key in keys:
        if key.startswith(object_keys.run_folder(run_id)) and object_keys.kind(key) == "aggregation":
            with suppress(ArtifactMissingError):  # removed since the keys were listed
                yield read_versioned(Aggregation, artifacts.get(key))


def restorable_runs(keys: Sequence[str]) -> set[str]:
    """The ids of runs that have a record or a manifest among the artifacts ``keys``."""
    return {key.split("/")[1] for key in keys if object_keys.kind(key) in ("run", "manifest")}


def _add_lost_run(named: NamedArtifacts, artifacts: ArtifactStore, run_id: str) -> None:
    """Add what a run names that only the store has: by its record, such as its plan's weights, and by its manifests."""
    with suppress(ArtifactMissingError):
        named.add_run(read_versioned(Run, artifacts.get(object_keys.run(run_id))), [])
    for manifest in manifests(artifacts, run_id):
        named.add_run(manifest.run, [manifest.round])
    named.updates_kept_from[run_id] = 0
