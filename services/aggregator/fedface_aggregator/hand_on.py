"""Hands on what the clients of a masked shard have shared: puts for each what it received, then the roster (ADR 41)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import HandOnShares
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, InvalidInputError
from fedface_core.domain.facts import SharesHandedOn
from fedface_core.domain.round import RoundPhase
from fedface_core.ports import ArtifactStore
from fedface_core.secure_aggregation.key_bundle import KeyBundle, check_bundle
from fedface_core.secure_aggregation.roster import Roster, close_roster, received_by
from fedface_core.secure_aggregation.shard_round import ShardRound
from fedface_worker.failing_steps import counts_failures, failed_step
from fedface_worker.masked_shards import read_model, read_roster
from fedface_worker.public_reasons import public_reason
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@counts_failures
def hand_on_shares(workbench: Workbench, command: HandOnShares, correlation_id: str) -> None:
    """Put what each client of the shard received, then the roster, and report both to control.

    A roster that is there already stays: it may be that of an earlier delivery, or from before the ledger was lost. Then
    clients may have masked for it. Who has shared wrong keys is not on the roster, and is named.
    """
    ports = workbench.ports
    current = ports.ledger.load_round(command.run_id, command.round)
    is_known = current.masks is not None and command.shard in current.masks.rosters
    if current.phase is not RoundPhase.HANDING_ON or is_known or command.shard >= current.shards:
        log.info("nothing_to_do", round_phase=current.phase)
        return
    try:
        shard_round = workbench.shard_rounds.of(current, command.shard)
        recorded = ports.ledger.deposits(command.run_id, command.round, Deposit.KEY_BUNDLE, list(shard_round.keys))
        shared = read_bundles(ports.artifacts, shard_round, recorded)
        roster = _stored_roster(ports.artifacts, shard_round)
        if roster is None:
            roster = _fix_roster(ports.artifacts, shard_round, shared.bundles)
        else:
            bundles = bundles_on(ports.artifacts, shard_round, roster)
            _put_received(ports.artifacts, shard_round, bundles)
    except (InvalidInputError, DamagedObjectError, ArtifactMissingError) as error:
        workbench.report(failed_step(command, "its shares cannot be handed on", error), correlation_id)
        return
    log.info("shares_handed_on", clients=len(roster.bundles), refused=len(shared.refused))
    workbench.report(
        SharesHandedOn(
            run_id=command.run_id,
            round=command.round,
            shard=command.shard,
            shard_round=shard_round.digest,
            roster=roster.digest,
            clients=tuple(sorted(roster.bundles)),
            refused={client: why for client, why in shared.refused.items() if client not in roster.bundles},
        ),
        correlation_id,
    )


@dataclass(frozen=True)
class SharedKeys:
    """What clients have shared."""

    bundles: Mapping[str, KeyBundle]
    """Client → its key bundle, checked."""
    refused: Mapping[str, str]
    """Client → what is wrong with its key bundle."""


def read_bundles(artifacts: ArtifactStore, shard_round: ShardRound, recorded: Mapping[str, str]) -> SharedKeys:
    """The key bundles of clients, each with the SHA-256 that was recorded of it."""
    bundles: dict[str, KeyBundle] = {}
    refused: dict[str, str] = {}
    for client, sha256 in sorted(recorded.items()):
        try:
            bundles[client] = _read_bundle(artifacts, shard_round, client, sha256)
        except (DamagedObjectError, ArtifactMissingError) as error:
            refused[client] = public_reason(error)
            log.warning("key_bundle_refused", client_id=client, reason=refused[client])
    return SharedKeys(bundles, refused)


def bundles_on(artifacts: ArtifactStore, shard_round: ShardRound, roster: Roster) -> dict[str, KeyBundle]:
    """The key bundles of the clients on a roster, by client.

    `DamagedObjectError`, which names the client, if one is not that on the roster; `ArtifactMissingError` if one is gone.
    """
    bundles = {}
    for client, digest in sorted(roster.bundles.items()):
        bundles[client] = _read_bundle(artifacts, shard_round, client)
        if bundles[client].key.digest != digest:
            raise DamagedObjectError(f"the key bundle of {client} is not the one that is on the roster of {shard_round}")
    return bundles


def _read_bundle(artifacts: ArtifactStore, shard_round: ShardRound, client: str, sha256: str | None = None) -> KeyBundle:
    key = object_keys.key_bundle(shard_round.run_id, shard_round.number, client)
    bundle = read_model(artifacts, key, KeyBundle, sha256)
    if bundle.client != client:
        raise DamagedObjectError(f"the object {key} is the key bundle of {bundle.client}")
    check_bundle(bundle, shard_round)
    return bundle


def _stored_roster(artifacts: ArtifactStore, shard_round: ShardRound) -> Roster | None:
    try:
        return read_roster(artifacts, shard_round)
    except ArtifactMissingError:
        return None


def _fix_roster(artifacts: ArtifactStore, shard_round: ShardRound, bundles: Mapping[str, KeyBundle]) -> Roster:
    """The roster of these bundles, or the one that another aggregator has put meanwhile, from the same bundles."""
    roster = close_roster(shard_round, bundles.values())
    _put_received(artifacts, shard_round, bundles)
    key = object_keys.roster(shard_round.run_id, shard_round.number, shard_round.shard, shard_round.digest)
    if artifacts.put_once(key, roster.model_dump_json().encode()):
        return roster
    return read_roster(artifacts, shard_round)


def _put_received(artifacts: ArtifactStore, shard_round: ShardRound, bundles: Mapping[str, KeyBundle]) -> None:
    for client, received in _received(shard_round, bundles):
        place = (shard_round.run_id, shard_round.number, shard_round.shard, shard_round.digest)
        artifacts.put(object_keys.received_shares(*place, client), received)


def _received(shard_round: ShardRound, bundles: Mapping[str, KeyBundle]) -> Iterable[tuple[str, bytes]]:
    for client in sorted(bundles):
        yield client, received_by(client, shard_round, bundles).model_dump_json().encode()
