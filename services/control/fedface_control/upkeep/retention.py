"""Removing what is not needed any more: updates of old rounds, and all objects of a run that is deleted.

Model versions that another run has claimed or a user has uploaded are never removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from fedface_control.upkeep.claims import claim_for_earlier_runs, is_claimed
from fedface_control.upkeep.named_artifacts import NamedArtifacts, aggregations
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import DamagedObjectError, NotFoundError, StaleVersionError, UnknownSchemaError
from fedface_core.domain.round import RoundState
from fedface_core.domain.run import Run
from fedface_core.ports import ArtifactStore, Ports
from fedface_core.runtime.readable_rounds import readable_rounds

log = structlog.get_logger(__name__)

LATE_AFTER: Final = timedelta(hours=1)
"""After a run's deletion nobody works for it any more so much later: tasks come back to their queue after 20 minutes."""


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
    """Remove updates, partials, what masks needed, server states, rows and residuals of old rounds, as the retention says.

    ``ended`` is the newest round that has ended. ``needed`` are rounds from whose results clients still train: the
    updates of these and of later rounds are kept. Returns the run with its new `updates_kept_from`, not saved yet.
    """
    keep = run.plan.retention.rounds_of_updates
    keep_from = max(run.updates_kept_from, min([ended + 1 - keep, *run.evaluating, *needed]))
    for number in range(run.updates_kept_from, keep_from):
        masks = object_keys.prefixes_of_masks(run.id, number) if run.plan.secure_aggregation is not None else ()
        for prefix in (*object_keys.transient_prefixes(run.id, number), *masks):
            _remove_all(ports.artifacts, prefix)
        log.info("old_updates_removed", round=number)
    if keep_from > run.updates_kept_from:
        _remove_old_server_states(ports, run, keep_from)
        _remove_old_rows(ports, run, keep_from)
        if run.plan.keeps_residuals:
            _remove_old_residuals(ports, run, keep_from)
    return run.with_updates_kept_from(keep_from)


def delete_run(ports: Ports, run: Run) -> None:
    """Remove all artifacts of a run that is `deleting`, then its records in the ledger.

    Only what the run holds is read, and the claims on its model versions, however many other runs there are. An interrupted
    deletion can be repeated: until its end, the run is still in the ledger.
    """
    claim_for_earlier_runs(ports)
    artifacts = ports.artifacts
    try:
        models = _models(ports, run)
    except NotFoundError:
        log.info("deletion_overtaken")  # another sweep has just deleted the run
        return
    for sha256 in sorted(models):
        artifacts.delete(object_keys.claim(sha256, run.id))
        # Its own claim goes first: of two runs that are deleted at once, the later one finds none, and removes the model.
        if not is_claimed(artifacts, sha256):
            artifacts.delete(object_keys.model(sha256))
    _remove_folder_and_records(ports, run.id)
    log.info("run_deleted")


def delete_unreadable_run(ports: Ports, run_id: str) -> None:
    """Remove the artifacts and the records of a run whose record in the ledger cannot be read.

    Nobody knows which model versions it names. Their claims are now those of a run that is no more, and so the garbage
    collection removes them, and the models if no other run has claimed them.
    """
    claim_for_earlier_runs(ports)
    _remove_folder_and_records(ports, run_id)


def remove_leftovers(ports: Ports) -> None:
    """Remove once more the folders of runs that were deleted `LATE_AFTER` ago.

    A process that worked for the run while it was deleted may have put an object afterwards, such as a client's update.
    """
    for run_id in ports.ledger.leftovers(ports.clock.now() - LATE_AFTER):
        if not ports.ledger.known_runs([run_id]):
            _remove_all(ports.artifacts, object_keys.run_folder(run_id))
        ports.ledger.forget_leftovers(run_id)
        log.info("leftovers_removed", run_id=run_id)


def _remove_folder_and_records(ports: Ports, run_id: str) -> None:
    record = object_keys.run(run_id)
    _remove_all(ports.artifacts, object_keys.run_folder(run_id), keep=record)
    ports.artifacts.delete(record)
    ports.ledger.delete(run_id)


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


def _remove_old_rows(ports: Ports, run: Run, keep_from: int) -> None:
    """Remove rows of class embeddings that only rounds before ``keep_from`` have read or made, and that the next round will
    not read.

    Rows that no record names stay: a reduction may just have put them, and tells of them in a moment. If it never does, they
    are garbage.
    """
    assert run.round is not None, "called after a round"
    old = _class_embeddings(_rounds_in_ledger(ports, run.id, range(run.updates_kept_from, keep_from)))
    if not old:
        return  # some strategies have no class embeddings
    needed = _class_embeddings(_rounds_in_ledger(ports, run.id, range(keep_from, run.round + 1)))
    if run.base_round is not None:
        base = ports.ledger.round_summary(run.id, run.base_round).round.aggregation
        needed.add(base.class_embeddings_sha256 or "" if base else "")
    unneeded = old - needed
    rows = ports.artifacts.keys(object_keys.rows(run.id))
    ports.artifacts.delete_all([key for key in rows if object_keys.parse_row_key(key) in unneeded])


def _remove_old_residuals(ports: Ports, run: Run, keep_from: int) -> None:
    """Remove residuals of rounds before ``keep_from`` that no client needs for its next update."""
    assert run.round is not None, "called in a round, or after one"
    needed = ports.ledger.round_summary(run.id, run.round).round.residuals
    keys = [key for key in ports.artifacts.keys(object_keys.residuals(run.id)) if object_keys.kind(key) == "residual"]
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


def _class_embeddings(rounds: Iterable[RoundState]) -> set[str]:
    """SHA-256 of the class embeddings that these rounds started from or ended with."""
    found: set[str | None] = set()
    for state in rounds:
        found |= {state.class_embeddings_sha256, state.aggregation.class_embeddings_sha256 if state.aggregation else None}
    return {sha256 for sha256 in found if sha256 is not None}


def _models(ports: Ports, run: Run) -> set[str]:
    """SHA-256 of the model versions that the run names, also by results that are stored and not recorded yet."""
    named = NamedArtifacts()
    # What only an unreadable round names has a claim of a run that is no more, and so is garbage.
    rounds, _ = readable_rounds(ports.ledger, run)
    named.add_run(run, [glance.round for glance in rounds])
    try:
        for aggregation in aggregations(ports.artifacts, run.id):
            named.add_aggregation(aggregation)
    except (UnknownSchemaError, DamagedObjectError) as error:
        # The deletion goes on. What only this object names has a claim of a run that is no more, and so is garbage.
        log.warning("aggregation_unreadable", reason=str(error))
    return named.models


def _remove_all(artifacts: ArtifactStore, prefix: str, keep: str | None = None) -> None:
    artifacts.delete_all([key for key in artifacts.keys(prefix) if key != keep])
