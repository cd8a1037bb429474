"""A snapshot has what ledger and store hold, and no entry for what the store lacks."""

from __future__ import annotations

from pathlib import Path

from fedface_core.contracts import object_keys
from loadtest.chaos.checks import expected_keys
from loadtest.chaos.snapshot import read_snapshot
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces


def test_a_missing_update_and_a_missing_manifest_are_no_entries(tmp_path: Path) -> None:
    services = InProcess(tiny_plan(write_faces(tmp_path / "faces"), rounds=1))
    run = services.run()
    store = services.ports.artifacts
    complete = read_snapshot(services.ports.ledger, store, run.id)
    assert complete.keys == expected_keys(complete)
    training = complete.rounds[1]
    assert training.stored_sha256 == {client: update.sha256 for client, update in training.accepted.items()}
    lost = next(iter(training.accepted))
    store.delete(object_keys.update(run.id, 1, lost))
    store.delete(object_keys.manifest(run.id, 1))
    damaged = read_snapshot(services.ports.ledger, store, run.id).rounds[1]
    assert damaged.stored_sha256.keys() == training.accepted.keys() - {lost}
    assert damaged.manifest is None
    assert damaged.accepted == training.accepted
