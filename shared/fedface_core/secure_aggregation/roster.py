"""The roster: who of a shard has shared keys. It is closed once, before the first update is masked.

Every mask depends on the roster's digest. So two rosters of one round have masks that have nothing in common, and nobody can
tell masks apart by asking a client for its update again, with a neighbour more or less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.ids import ClientId, Sha256
from fedface_core.domain.mask_graph import MOST_CLIENTS
from fedface_core.secure_aggregation.derivation import digest
from fedface_core.secure_aggregation.errors import DamagedShareError
from fedface_core.secure_aggregation.key_bundle import KeyBundle, RoundKey, SealedShares, check_bundle
from fedface_core.secure_aggregation.shard_round import ShardRound


class Roster(BaseModel):
    """Who has shared keys, as all clients of the shard are told it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard_round: Sha256
    bundles: Annotated[dict[ClientId, Sha256], Field(max_length=MOST_CLIENTS)] = Field(
        description="Client → the digest of its key bundle."
    )

    @cached_property
    def digest(self) -> str:
        """The name of the roster in every mask and signature."""
        return digest("roster", self.shard_round, sorted(self.bundles.items()))


class ReceivedShare(BaseModel):
    """What a client gets from one neighbour: its public key, and the shares that it has sealed for this client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: RoundKey
    share: SealedShares


class ReceivedShares(BaseModel):
    """What a client gets from all its neighbours on the roster, as an object in the store that only it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: ClientId
    neighbours: Annotated[dict[ClientId, ReceivedShare], Field(max_length=MOST_CLIENTS)]

    def check(self, shard_round: ShardRound, roster: Roster) -> None:
        """Raise `DamagedShareError` unless this has the key of each neighbour on the roster, signed by its device."""
        expected = [client for client in shard_round.neighbours(self.client) if client in roster.bundles]
        if sorted(self.neighbours) != expected:
            raise DamagedShareError(
                f"{self.client} must get the keys of its {len(expected)} neighbours on the roster of {shard_round}, and got "
                f"those of {len(self.neighbours)} clients"
            )
        for neighbour, received in self.neighbours.items():
            received.key.check(shard_round)
            if received.key.client != neighbour or received.key.digest != roster.bundles[neighbour]:
                raise DamagedShareError(
                    f"the key that {self.client} got as that of {neighbour} is not the one on the roster"
                )


def close_roster(shard_round: ShardRound, bundles: Iterable[KeyBundle]) -> Roster:
    """The roster of those who have shared keys. `DamagedShareError`, which names the client, if a bundle is wrong."""
    digests = {}
    for bundle in bundles:
        check_bundle(bundle, shard_round)
        digests[bundle.client] = bundle.key.digest
    return Roster(shard_round=shard_round.digest, bundles=digests)


def received_by(client: str, shard_round: ShardRound, bundles: Mapping[str, KeyBundle]) -> ReceivedShares:
    """What a client gets from its neighbours; ``bundles`` are those on the roster, by client."""
    neighbours = [neighbour for neighbour in shard_round.neighbours(client) if neighbour in bundles]
    return ReceivedShares(
        client=client,
        neighbours={
            neighbour: ReceivedShare(key=bundles[neighbour].key, share=bundles[neighbour].shares[client])
            for neighbour in neighbours
        },
    )
