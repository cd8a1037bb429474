"""Removing what is not needed any more: updates of old rounds, and all objects of a run that is deleted.

Objects that another run names and models that a user has uploaded are never removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import structlog

from fedface_control.upkeep.named_artifacts import aggregations, manifests, named_artifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import ArtifactMissingError, NotFoundError, StaleVersionError
from fedface_core.domain.round import RoundState
from fedface_core.domain.run import Run
from fedface_core.ports import ArtifactStore, Ports

log = structlog.get_logger(__name__)


def remove_old_updates_in_open_round(ports: Ports, run: Run, needed: Iterable[int]) -> None:
    """Remove updates of old rounds while a round is open, and save the run. ``needed`` is that of `remove_old_updates`.

    If another process changes the run meanwhile, nothing is saved, and the next round removes the same updates again.
    """
    assert run.round is not None, "called in a round"
    changed = remove_old_updates(ports, run, ended=run.round - 1, needed=needed)
    if changed.updates_kept_from > run.updates_kept_from:
        with suppress(StaleVersionError):
            ports.ledger.save(changed, "old_updates_removed")


def remove_old_updates(ports: Ports, run: Run, *, ended: int, needed: Iterable[int] = ()) -> Run:
    """Remove updates, partials, server states and residuals of old rounds, as the plan's retention says.

    ``ended`` is the newest round that has ended. ``needed`` are rounds from whose results clients still train: the
    updates of these and of later rounds are kept. Returns the run with its new `updates_kept_from`, not saved yet.
    """
    keep = run.plan.retention.rounds_of_updates
    keep_from = max(run.updates_kept_from, min([ended + 1 - keep, *run.evaluating, *needed]))
    for number in range(run.updates_kept_from, keep_from):
        for prefix in object_keys.transient_prefixes(run.id, number):
            _remove_all(ports.artifacts, prefix)
        log.info("old_updates_removed", round=number)
    if keep_from > run.updates_kept_from:
        _remove_old_server_states(ports, run, keep_from)
        if run.plan.update_encoding.error_feedback:
            _remove_old_residuals(ports, run, keep_from)
    return run.with_updates_kept_from(keep_from)


def delete_run(ports: Ports, run: Run) -> None:
    """Remove all artifacts of a run that is `deleting`, then its records in the ledger.

    An interrupted deletion can be repeated: until its end, the run is still in the ledger.
    """
    artifacts = ports.artifacts
    began = artifacts.now()
    keys = artifacts.keys("")
    named_by_others = named_artifacts(ports, keys, without=run.id)
    trained = {aggregation.model_sha256 for aggregation in aggregations(artifacts, keys, run.id)}
    models = {object_keys.model(sha256) for sha256 in trained - named_by_others.models if not named_by_others.unreadable}
    started_from = {object_keys.model(sha256) for sha256 in _start_models(artifacts, run) - trained}
    for model in sorted(models | {model for model in started_from if model not in named_by_others}):
        with suppress(ArtifactMissingError):
            if artifacts.modified(model) <= began:  # otherwise a run of the same plan has just made the same model
                artifacts.delete(model)
    record = object_keys.run(run.id)
    _remove_all(artifacts, object_keys.run_folder(run.id), keep=record)
    artifacts.delete(record)
    ports.ledger.delete(run.id)
    log.info("run_deleted")


def _remove_old_server_states(ports: Ports, run: Run, keep_from: int) -> None:
    """Remove server states that only rounds before ``keep_from`` have read or written, and that the next round will not."""
    assert run.round is not None, "called after a round"
    old = _server_states(_rounds_in_ledger(ports, run.id, range(run.updates_kept_from, keep_from)))
    if not old:
        return  # most aggregation rules have no server state
    needed = _server_states(_rounds_in_ledger(ports, run.id, range(keep_from, run.round + 1)))
    if run.base_round is not None:
        base = ports.ledger.round_summary(run.id, run.base_round).round.aggregation
        assert base is not None, "the next cohort starts from results"
        needed.add(base.server_state_sha256 or "")
    for sha256 in sorted(old - needed):
        ports.artifacts.delete(object_keys.server_state(run.id, sha256))


def _remove_old_residuals(ports: Ports, run: Run, keep_from: int) -> None:
    """Remove residuals of rounds before ``keep_from`` that no client needs for its next update."""
    assert run.round is not None, "called in a round, or after one"
    needed = ports.ledger.round_summary(run.id, run.round).round.residuals
    keys = ports.artifacts.keys(object_keys.residuals(run.id))
    residuals = [(key, *object_keys.parse_residual_key(key)) for key in keys]
    old = [key for key, number, client in residuals if number < keep_from and needed.get(client) != number]
    ports.artifacts.delete_all(old)


def _rounds_in_ledger(ports: Ports, run_id: str, numbers: Iterable[int]) -> Iterator[RoundState]:
    """Those of the rounds that the ledger has. A restored ledger lacks rounds that were not scored when it was lost."""
    for number in numbers:
        with suppress(NotFoundError):
            yield ports.ledger.round_summary(run_id, number).round


def _server_states(rounds: Iterable[RoundState]) -> set[str]:
    """SHA-256 of the server states that these rounds started from or ended with. An abandoned round may have one too."""
    found: set[str | None] = set()
    for state in rounds:
        found |= {state.server_state_sha256, state.aggregation.server_state_sha256 if state.aggregation else None}
    return {sha256 for sha256 in found if sha256 is not None}


def _start_models(artifacts: ArtifactStore, run: Run) -> set[str]:
    """SHA-256 of the model versions that the run's cohorts started from; the initial model is one of them."""
    found = {manifest.round.model_sha256 for manifest in manifests(artifacts, run.id)}
    return found if run.model_sha256 is None else found | {run.model_sha256}


def _remove_all(artifacts: ArtifactStore, prefix: str, keep: str | None = None) -> None:
    artifacts.delete_all([key for key in artifacts.keys(prefix) if key != keep])
