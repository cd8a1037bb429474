"""What is removed from the artifact store, and when: bulk of old rounds, and all of a run that an operator deletes.

Nothing that the manifest of another run names is ever removed, nor a model that a user uploaded.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.domain.events import Aggregation
from fedface_core.domain.run import Run
from fedface_core.ports import ArtifactStore, Ports

log = structlog.get_logger(__name__)


def drop_old_updates(ports: Ports, run: Run) -> Run:
    """Remove updates and partials of rounds that ended long enough ago. The next save of the returned run records it."""
    keep = run.plan.retention.rounds_of_updates
    assert run.round is not None, "called after a round"
    if keep is None:
        return run
    keep_from = max(run.updates_kept_from, min([run.round + 1 - keep, *run.evaluating]))
    for number in range(run.updates_kept_from, keep_from):
        for prefix in object_keys.bulk(run.id, number):
            _delete_all(ports.artifacts, prefix)
        log.info("old_updates_removed", round=number)
    return run.model_copy(update={"updates_kept_from": keep_from})


def delete_run(ports: Ports, run: Run) -> None:
    """Remove the run's artifacts, then its records. Cut short, it is done again: the run is still there, being deleted."""
    for sha256 in sorted(_models_of(ports.artifacts, run) - _models_named_elsewhere(ports, run.id)):
        ports.artifacts.delete(object_keys.model(sha256))
    own_record = object_keys.run(run.id)
    _delete_all(ports.artifacts, object_keys.run_folder(run.id), spare=own_record)
    ports.artifacts.delete(own_record)
    ports.ledger.delete(run.id)
    log.info("run_deleted")


def _models_of(artifacts: ArtifactStore, run: Run) -> set[str]:
    """Every model version that came of the run, abandoned rounds' too; and what it started from, where that was its own."""
    found = set() if run.model_sha256 is None else {run.model_sha256}
    for manifest in manifests(artifacts, run.id):
        found |= {manifest.round.model_sha256}
    for key in artifacts.keys(object_keys.run_folder(run.id)):
        if object_keys.kind(key) == "aggregation":
            found.add(Aggregation.model_validate_json(artifacts.get(key)).model_sha256)
    return found


def _models_named_elsewhere(ports: Ports, run_id: str) -> set[str]:
    """Model versions that are uploads, or that another run starts from, works with, or has named in a manifest."""
    named = {key.removeprefix(object_keys.UPLOADS) for key in ports.artifacts.keys(object_keys.UPLOADS)}
    for other in ports.ledger.runs():
        if other.id == run_id:
            continue
        named |= {other.plan.model.weights, other.model_sha256 or ""}
        for done in ports.ledger.rounds(other.id):
            named |= {done.model_sha256, done.aggregation.model_sha256 if done.aggregation else ""}
    for key in ports.artifacts.keys(object_keys.RUNS):
        if key.startswith(object_keys.run_folder(run_id)):
            continue
        if object_keys.kind(key) == "aggregation":  # its task, when it is repeated, makes the model version no second time
            named.add(Aggregation.model_validate_json(ports.artifacts.get(key)).model_sha256)
        elif object_keys.kind(key) == "manifest":
            manifest = Manifest.model_validate_json(ports.artifacts.get(key))
            named |= {manifest.run.plan.model.weights, manifest.round.model_sha256}
            named |= {manifest.round.aggregation.model_sha256} if manifest.round.aggregation else set()
    return named


def manifests(artifacts: ArtifactStore, run_id: str) -> Iterator[Manifest]:
    """The run's manifests, in the order of its rounds."""
    keys = [key for key in artifacts.keys(f"{object_keys.run_folder(run_id)}rounds/") if object_keys.kind(key) == "manifest"]
    for key in sorted(keys, key=lambda key: int(key.split("/")[3])):
        try:
            yield Manifest.model_validate_json(artifacts.get(key))
        except ArtifactMissingError:  # removed since it was listed
            continue


def _delete_all(artifacts: ArtifactStore, prefix: str, spare: str | None = None) -> None:
    for key in artifacts.keys(prefix):
        if key != spare:
            artifacts.delete(key)
