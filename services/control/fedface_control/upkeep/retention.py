"""What is removed from the artifact store as a matter of course: bulk of old rounds, and all of a run that is deleted.

Nothing that another run names is ever removed, nor a model that a user uploaded.
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


def drop_old_updates_meanwhile(ports: Ports, run: Run, needed: Iterable[int]) -> None:
    """Do so in an open round, and record it. Where somebody has moved the run on, the next round does it once more."""
    assert run.round is not None, "called in a round"
    dropped = drop_old_updates(ports, run, ended=run.round - 1, needed=needed)
    if dropped.updates_kept_from > run.updates_kept_from:
        with suppress(StaleVersionError):
            ports.ledger.save(dropped, "old_updates_removed")


def drop_old_updates(ports: Ports, run: Run, *, ended: int, needed: Iterable[int] = ()) -> Run:
    """Remove updates, partials, server states and residuals of rounds that ended long enough ago. The next save of the run
    records it.

    ``ended`` is the newest round that has; ``needed`` are rounds since which clients still train: their updates are yet to
    be counted.
    """
    keep = run.plan.retention.rounds_of_updates
    keep_from = max(run.updates_kept_from, min([ended + 1 - keep, *run.evaluating, *needed]))
    for number in range(run.updates_kept_from, keep_from):
        for prefix in object_keys.transient_prefixes(run.id, number):
            _delete_all(ports.artifacts, prefix)
        log.info("old_updates_removed", round=number)
    if keep_from > run.updates_kept_from:
        _drop_old_states(ports, run, keep_from)
        if run.plan.update_encoding.error_feedback:
            _drop_old_residuals(ports, run, keep_from)
    return run.with_updates_kept_from(keep_from)


def _drop_old_states(ports: Ports, run: Run, keep_from: int) -> None:
    """Remove server states that only rounds before ``keep_from`` started from or came to, and the next one will not."""
    assert run.round is not None, "called after a round"
    old = _server_states(_known_rounds(ports, run.id, range(run.updates_kept_from, keep_from)))
    if not old:
        return  # as in most runs, whose aggregator keeps nothing
    needed = _server_states(_known_rounds(ports, run.id, range(keep_from, run.round + 1)))
    if run.base_round is not None:
        base = ports.ledger.round_summary(run.id, run.base_round).round.aggregation
        assert base is not None, "the next cohort starts from results"
        needed.add(base.server_state_sha256 or "")
    for sha256 in sorted(old - needed):
        ports.artifacts.delete(object_keys.server_state(run.id, sha256))


def _drop_old_residuals(ports: Ports, run: Run, keep_from: int) -> None:
    """Remove residuals of rounds before ``keep_from`` that no client goes on from."""
    assert run.round is not None, "called in a round, or after one"
    needed = ports.ledger.round_summary(run.id, run.round).round.residuals
    keys = ports.artifacts.keys(object_keys.residuals(run.id))
    dated = [(key, *object_keys.parse_residual_key(key)) for key in keys]
    ports.artifacts.delete_all([key for key, number, client in dated if number < keep_from and needed.get(client) != number])


def _known_rounds(ports: Ports, run_id: str, numbers: Iterable[int]) -> Iterator[RoundState]:
    """A restored ledger lacks rounds that were not scored yet."""
    for number in numbers:
        with suppress(NotFoundError):
            yield ports.ledger.round_summary(run_id, number).round


def _server_states(rounds: Iterable[RoundState]) -> set[str]:
    """What the aggregator kept when these rounds began and when they ended; an abandoned one may have come to something."""
    found: set[str | None] = set()
    for each in rounds:
        found |= {each.server_state_sha256, each.aggregation.server_state_sha256 if each.aggregation else None}
    return {sha256 for sha256 in found if sha256 is not None}


def delete_run(ports: Ports, run: Run) -> None:
    """Remove the run's artifacts, then its records. Cut short, it is done again: the run is still there, being deleted."""
    artifacts, began = ports.artifacts, ports.clock.now()
    keys = artifacts.keys("")
    named_by_others = named_artifacts(ports, keys, without=run.id)
    trained = {results.model_sha256 for results in aggregations(artifacts, keys, run.id)}
    models = {object_keys.model(sha256) for sha256 in trained - named_by_others.models if not named_by_others.unreadable}
    started_from = {object_keys.model(sha256) for sha256 in _started_from(artifacts, run) - trained}
    for model in sorted(models | {model for model in started_from if not named_by_others.has(model)}):
        with suppress(ArtifactMissingError):
            if artifacts.modified(model) <= began:  # else a run of the same plan has just made the same one
                artifacts.delete(model)
    own_record = object_keys.run(run.id)
    _delete_all(artifacts, object_keys.run_folder(run.id), spare=own_record)
    artifacts.delete(own_record)
    ports.ledger.delete(run.id)
    log.info("run_deleted")


def _started_from(artifacts: ArtifactStore, run: Run) -> set[str]:
    """The model versions that cohorts of the run started from, the initial one among them."""
    found = {manifest.round.model_sha256 for manifest in manifests(artifacts, run.id)}
    return found if run.model_sha256 is None else found | {run.model_sha256}


def _delete_all(artifacts: ArtifactStore, prefix: str, spare: str | None = None) -> None:
    artifacts.delete_all([key for key in artifacts.keys(prefix) if key != spare])
