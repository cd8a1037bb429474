"""Claims: small objects that say which runs name a model version, so that nobody has to read every run to know it (ADR 27).

A claim is put before the model or the record that names the model, and is removed when its run is deleted. Runs of earlier
versions of FedFace put none, so they get theirs here, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from fedface_control.upkeep.named_artifacts import aggregations, named_by, restorable_runs
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, NotFoundError, UnknownSchemaError
from fedface_core.domain.run import ENDED, RunPhase
from fedface_core.ports import ArtifactStore, Ports

log = structlog.get_logger(__name__)

RUNS_PER_MARK: Final = 100
BEFORE_ANY_RUN: Final = "-"
"""What comes before the id of every run, in the order of keys."""

_ALL: Final = b"all"


def is_claimed(artifacts: ArtifactStore, sha256: str) -> bool:
    """Whether a run has claimed the model version, or a user has uploaded it."""
    # One claim is enough: a model version may have been claimed by thousands of runs of one plan.
    return bool(artifacts.page(object_keys.claims(sha256), "", 1)) or is_uploaded(artifacts, sha256)


def is_uploaded(artifacts: ArtifactStore, sha256: str) -> bool:
    """Whether a user has uploaded the model version."""
    return _get(artifacts, object_keys.upload(sha256)) is not None


def claim_for_earlier_runs(ports: Ports) -> None:
    """Put the claims of runs that an earlier version of FedFace has made. Once that is done, later calls read one object.

    A call that was interrupted is continued by the next one, and two calls at once do no harm.
    """
    artifacts = ports.artifacts
    done = _get(artifacts, object_keys.EARLIER_RUNS)
    if done == _ALL:
        return
    last = (done or b"").decode()
    known = restorable_runs(artifacts.keys(object_keys.RUNS)) | {run.id for run in ports.ledger.runs()}
    run_ids = sorted(run_id for run_id in known if run_id > last)
    for count, run_id in enumerate(run_ids, start=1):
        for sha256 in sorted(_may_name(ports, run_id)):
            artifacts.put(object_keys.claim(sha256, run_id), b"")
        if count % RUNS_PER_MARK == 0:
            artifacts.put(object_keys.EARLIER_RUNS, run_id.encode())
            log.info("models_claimed", runs=count, of=len(run_ids))
    artifacts.put(object_keys.EARLIER_RUNS, _ALL)
    log.info("all_models_claimed", runs=len(run_ids))


def _may_name(ports: Ports, run_id: str) -> Iterable[str]:
    """SHA-256 of every model version that the run may name: all there are if nobody can know."""
    try:
        named = named_by(ports, run_id)
        for aggregation in aggregations(ports.artifacts, run_id):
            named.add_aggregation(aggregation)
    except (UnknownSchemaError, DamagedObjectError) as error:
        log.warning("run_unreadable", run_id=run_id, reason=str(error))
    else:
        if not _waits_for_its_model(ports, run_id):
            return named.models
    models = (key for key in ports.artifacts.keys(object_keys.MODELS) if object_keys.kind(key) == "model")
    return map(object_keys.parse_model_key, models)


def _waits_for_its_model(ports: Ports, run_id: str) -> bool:
    """Whether only a message may know the SHA-256 of the run's initial model."""
    try:
        run = ports.ledger.load(run_id)
    except NotFoundError:
        return False  # a restored run has its initial model prepared anew
    return run.model_sha256 is None and run.phase not in ENDED | {RunPhase.CREATED}


def _get(artifacts: ArtifactStore, key: str) -> bytes | None:
    try:
        return artifacts.get(key)
    except ArtifactMissingError:
        return None
