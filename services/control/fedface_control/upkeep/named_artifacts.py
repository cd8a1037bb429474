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
class Named:
    """What must stay."""

    models: set[str] = field(default_factory=set)
    all_models: bool = False
    """A run waits for its initial model, whose name only a message may know."""
    of_rounds: set[str] = field(default_factory=set)
    """SHA-256 of class embeddings, server states and guidance."""
    updates_kept_from: dict[str, int] = field(default_factory=dict)
    """Run → the first round whose updates and partials stay. A run that is not here has none of its objects named."""
    residuals: set[tuple[str, int, str]] = field(default_factory=set)
    """Run, round and client of the older residuals that clients go on from."""
    unreadable: set[str] = field(default_factory=set)
    """Runs whose record or manifests are damaged or of another version: what they name, nobody knows."""

    def name(self, run: Run, rounds: Iterable[RoundState]) -> None:
        """Everything that a run with these rounds names."""
        self.updates_kept_from[run.id] = run.updates_kept_from
        self.all_models |= run.model_sha256 is None and run.phase not in ENDED | {RunPhase.CREATED}
        self.models |= {run.plan.model.weights, run.model_sha256 or ""}
        for of_run in rounds:
            self.models.add(of_run.model_sha256)
            started_from = (of_run.class_embeddings_sha256, of_run.server_state_sha256, of_run.guidance_sha256)
            self.of_rounds |= {sha256 for sha256 in started_from if sha256}
            if of_run.number >= run.updates_kept_from:
                self.residuals |= {(run.id, number, client) for client, number in of_run.residuals.items()}
            if of_run.aggregation is not None:
                self.name_results(of_run.aggregation)

    def name_results(self, aggregation: Aggregation) -> None:
        """What a round came to."""
        self.models.add(aggregation.model_sha256)
        beside = (aggregation.class_embeddings_sha256, aggregation.server_state_sha256, aggregation.guidance_sha256)
        self.of_rounds |= {sha256 for sha256 in beside if sha256}

    def has(self, key: str) -> bool:
        """Whether an artifact is named."""
        parts, kind = key.split("/"), object_keys.kind(key)
        name = parts[-1].split(".")[0]
        if kind == "model":
            return self.all_models or bool(self.unreadable) or name in self.models
        if kind == "upload":
            return True
        if parts[1] in self.unreadable:
            return True
        kept_from = self.updates_kept_from.get(parts[1])
        if kept_from is None:
            return False
        if kind in ("class_embedding", "server_state", "guidance"):
            return name in self.of_rounds
        if kind == "residual" and (parts[1], *object_keys.parse_residual_key(key)) in self.residuals:
            return True
        return kind not in ("update", "partial", "residual") or int(parts[3]) >= kept_from


def named_artifacts(ports: Ports, keys: Sequence[str], *, without: str | None = None) -> Named:
    """What is named, of the artifacts ``keys``; what the run ``without`` names does not count."""
    named = Named()
    in_ledger = {run.id: run for run in ports.ledger.runs()}
    for run in in_ledger.values():
        if run.id != without:
            named.name(run, [glance.round for glance in ports.ledger.round_summaries(run.id)])
    for run_id in restorable_runs(keys) - in_ledger.keys():
        try:
            _name_lost(named, ports.artifacts, run_id)
        except (UnknownSchemaError, DamagedObjectError) as error:
            log.warning("run_unreadable", run_id=run_id, reason=str(error))
            named.unreadable.add(run_id)
    for run_id in named.updates_kept_from:
        # They may not be recorded yet; the task that put them will find them, and report what they name.
        for results in aggregations(ports.artifacts, keys, run_id):
            named.name_results(results)
    named.models |= {key.removeprefix(object_keys.UPLOADS) for key in keys if key.startswith(object_keys.UPLOADS)}
    return named


def _name_lost(named: Named, artifacts: ArtifactStore, run_id: str) -> None:
    """What a run names that only the store knows: by its record, such as the weights to start from, and its manifests."""
    with suppress(ArtifactMissingError):
        named.name(read_versioned(Run, artifacts.get(object_keys.run(run_id))), [])
    for manifest in manifests(artifacts, run_id):
        named.name(manifest.run, [manifest.round])
    named.updates_kept_from[run_id] = 0


def manifests(artifacts: ArtifactStore, run_id: str) -> Iterator[Manifest]:
    """The run's manifests, in the order of its rounds."""
    keys = [key for key in artifacts.keys(f"{object_keys.run_folder(run_id)}rounds/") if object_keys.kind(key) == "manifest"]
    for key in sorted(keys, key=lambda key: int(key.split("/")[3])):
        try:
            yield read_versioned(Manifest, artifacts.get(key))
        except ArtifactMissingError:  # removed since it was listed
            continue


def aggregations(artifacts: ArtifactStore, keys: Sequence[str], run_id: str) -> Iterator[Aggregation]:
    """What the run's rounds came to, recorded or not; of the artifacts ``keys``."""
    for key in keys:
        if key.startswith(object_keys.run_folder(run_id)) and object_keys.kind(key) == "aggregation":
            with suppress(ArtifactMissingError):  # removed since it was listed
                yield read_versioned(Aggregation, artifacts.get(key))


def restorable_runs(keys: Sequence[str]) -> set[str]:
    """Runs with a record or a manifest in the store."""
    return {key.split("/")[1] for key in keys if object_keys.kind(key) in ("run", "manifest")}
