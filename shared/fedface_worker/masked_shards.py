"""What client and aggregator read of a masked shard (ADR 41): its round, by its members' keys, and what is stored of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from fedface_core.contracts import object_keys
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import DamagedObjectError
from fedface_core.domain.mask_graph import MOST_CLIENTS
from fedface_core.domain.masked_phases import members_of_shard
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import RoundKind
from fedface_core.ports import ArtifactStore, Ports
from fedface_core.secure_aggregation.accepted_set import AcceptedSet
from fedface_core.secure_aggregation.device import DeviceKeys
from fedface_core.secure_aggregation.roster import Roster
from fedface_core.secure_aggregation.shard_of_round import basis_of, shard_round_of
from fedface_core.secure_aggregation.shard_round import ShardRound
from fedface_learning.formats.codec import sha256_hex
from fedface_worker.checked_artifacts import get_bounded

_BYTES_A_CLIENT: Final = 2048
"""More than any of these objects has for each client that it names: a public key, sealed shares and their digests."""
MOST_BYTES: Final = MOST_CLIENTS * _BYTES_A_CLIENT
ModelT = TypeVar("ModelT", bound=BaseModel)


class ShardRounds:
    """The rounds of masked shards. Each process reads the keys of a device once, and keeps the newest round."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._keys = lru_cache(maxsize=4 * MOST_CLIENTS)(
            lambda run_id, client, _life: read_model(ports.artifacts, object_keys.device(run_id, client), DeviceKeys)
        )
        self._newest: tuple[Sequence[object], ShardRound] | None = None

    def of(self, current: Round, shard: int) -> ShardRound:
        """The round of a shard, as the ledger and the registered keys have it. All members of the shard have registered.

        `InvalidInputError` if they are too few to be masked, `DamagedObjectError` if what is registered are no keys.
        """
        ledger = self._ports.ledger
        run = ledger.load(current.run_id)
        registered: Sequence[str] = ()
        if current.kind is RoundKind.ENROLMENT:
            clients = current.shard_members(shard)
            registered = list(ledger.deposits(run.id, current.number, Deposit.DEVICE_KEYS, clients))
        members = members_of_shard(current, shard, registered)
        name = (run.correlation_id, current.number, shard, basis_of(run.plan, current), members)
        if self._newest is None or self._newest[0] != name:
            keys = {client: self._keys(run.id, client, run.correlation_id) for client in members}
            self._newest = (name, shard_round_of(run, current, shard, keys))
        return self._newest[1]


def read_roster(artifacts: ArtifactStore, shard_round: ShardRound) -> Roster:
    """The roster of a shard.

    `ArtifactMissingError` if there is none yet, `DamagedObjectError` if it is that of another round of the shard.
    """
    key = object_keys.roster(shard_round.run_id, shard_round.number, shard_round.shard, shard_round.digest)
    roster = read_model(artifacts, key, Roster)
    if roster.shard_round != shard_round.digest:
        raise DamagedObjectError(f"the object {key} is no roster of {shard_round}")
    return roster


def read_accepted_set(artifacts: ArtifactStore, shard_round: ShardRound) -> AcceptedSet:
    """The accepted set of a shard, as it was first put; it is not checked yet. `ArtifactMissingError` if there is none."""
    key = object_keys.accepted_set(shard_round.run_id, shard_round.number, shard_round.shard, shard_round.digest)
    return read_model(artifacts, key, AcceptedSet)


def read_model(artifacts: ArtifactStore, key: str, kind: type[ModelT], sha256: str | None = None) -> ModelT:
    """A JSON object of this kind, of `MOST_BYTES` at most.

    `ArtifactMissingError` if there is none; `DamagedObjectError` if it is of another kind, or has another SHA-256.
    """
    data = get_bounded(artifacts, key, MOST_BYTES)
    if sha256 is not None and sha256_hex(data) != sha256:
        raise DamagedObjectError(f"the object {key} has the SHA-256 {sha256_hex(data)}, and {sha256} was recorded")
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise DamagedObjectError(
            f"the object {key} is no {kind.__name__}: {error.error_count()} fields are wrong"
        ) from error
