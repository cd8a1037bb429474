"""What a run left behind, read from its ledger and its store when all is over."""

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
class RoundOutcome:
    """One round: as the ledger has it, as its manifest has it, and the SHA-256 of each stored update."""

    ledger: Round
    accepted: Mapping[str, AcceptedUpdate]
    failed: Mapping[str, str]
    manifest: Manifest | None
    stored: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """One run."""

    run: Run
    rounds: Sequence[RoundOutcome]
    events: Sequence[RecordedEvent]
    keys: frozenset[str]


def read_outcome(ledger: RunLedger, artifacts: ArtifactStore, run_id: str) -> Outcome:
    """Everything that the checks look at."""
    return Outcome(
        run=ledger.load(run_id),
        rounds=[_read_round(ledger, artifacts, found) for found in ledger.rounds(run_id)],
        events=ledger.events(run_id, limit=100_000),
        keys=frozenset(artifacts.keys("")),
    )


def _read_round(ledger: RoundSettlement, artifacts: ArtifactStore, found: Round) -> RoundOutcome:
    run, number = found.run_id, found.number
    accepted = ledger.accepted(run, number)
    manifest = _get(artifacts, object_keys.manifest(run, number))
    updates = {client: _get(artifacts, object_keys.update(run, number, client)) for client in accepted}
    return RoundOutcome(
        ledger=found,
        accepted=accepted,
        failed=ledger.failed(run, number),
        manifest=Manifest.model_validate_json(manifest) if manifest is not None else None,
        stored={client: sha256_hex(data) for client, data in updates.items() if data is not None},
    )


def _get(artifacts: ArtifactStore, key: str) -> bytes | None:
    try:
        return artifacts.get(key)
    except ArtifactMissingError:
        return None
