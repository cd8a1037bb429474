"""A snapshot of a run: what its ledger and its artifact store hold of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import ArtifactStore, RecordedEvent, RoundSettlement, RunLedger
from fedface_learning.formats.codec import sha256_hex


@dataclass(frozen=True)
class RoundSnapshot:
    """A round: three parts from the ledger, and the manifest and the updates from the store."""

    round: Round
    accepted: Mapping[str, AcceptedUpdate]
    """Client → its accepted update, as the ledger has it."""
    failed: Mapping[str, str]
    """Client → why it failed."""
    manifest: Manifest | None
    stored_sha256: Mapping[str, str]
    """Accepted client → the SHA-256 of the object that the store holds of its update; a missing one has no entry."""


@dataclass(frozen=True)
class RunSnapshot:
    """A run, its rounds and its audit trail, and the keys of all objects in its store."""

    run: Run
    rounds: Sequence[RoundSnapshot]
    events: Sequence[RecordedEvent]
    keys: frozenset[str]


def read_snapshot(ledger: RunLedger, artifacts: ArtifactStore, run_id: str) -> RunSnapshot:
    """Read all that the checks look at."""
    return RunSnapshot(
        run=ledger.load(run_id),
        rounds=[_read_round(ledger, artifacts, found) for found in ledger.rounds(run_id)],
        events=ledger.events(run_id, limit=100_000),
        keys=frozenset(artifacts.keys("")),
    )


def _read_round(ledger: RoundSettlement, artifacts: ArtifactStore, found: Round) -> RoundSnapshot:
    run_id = found.run_id
    number = found.number
    accepted = ledger.accepted(run_id, number)
    manifest = _get(artifacts, object_keys.manifest(run_id, number))
    keys = {client: object_keys.accepted_update(run_id, number, client, update.group) for client, update in accepted.items()}
    stored = {key: _get(artifacts, key) for key in set(keys.values())}
    return RoundSnapshot(
        round=found,
        accepted=accepted,
        failed=ledger.failed(run_id, number),
        manifest=Manifest.model_validate_json(manifest) if manifest is not None else None,
        stored_sha256={client: sha256_hex(data) for client, key in keys.items() if (data := stored[key]) is not None},
    )


def _get(artifacts: ArtifactStore, key: str) -> bytes | None:
    try:
        return artifacts.get(key)
    except ArtifactMissingError:
        return None
