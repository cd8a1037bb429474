"""A shard's round under secure aggregation, in memory: what clients, control and aggregator would put, in dictionaries."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

from fedface_core.domain.ids import client_id
from fedface_core.domain.mask_graph import GraphParameters
from fedface_core.secure_aggregation.accepted_set import AcceptedSet
from fedface_core.secure_aggregation.device import Device
from fedface_core.secure_aggregation.key_bundle import KeyBundle, make_bundle
from fedface_core.secure_aggregation.masking_client import Mask, commit_to, masks_of
from fedface_core.secure_aggregation.recovery import masks_in_sum
from fedface_core.secure_aggregation.revealing import Revelation, Signer
from fedface_core.secure_aggregation.roster import ReceivedShares, Roster, close_roster, received_by
from fedface_core.secure_aggregation.shard_round import ShardRound
from fedface_learning.masking import Vector, add_masks, remove_masks

RUN_ID = "run-0123456789ab"


@dataclass
class MaskedGroup:
    """A shard, its devices, and what they remember."""

    shard_round: ShardRound
    devices: dict[str, Device]
    journals: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, clients: int, graph: GraphParameters, *, minimum: int = 2, number: int = 1, start: str = "0" * 64) -> Self:
        """A shard of so many clients, whose devices' secrets follow from their names."""
        names = [client_id(index) for index in range(clients)]
        devices = {name: Device(name, hashlib.sha256(f"device of {name}".encode()).digest()) for name in names}
        shard_round = ShardRound(
            run_id=RUN_ID,
            life="0" * 32,
            number=number,
            shard=0,
            basis="0" * 64,
            start=start,
            members=tuple(device.public_keys for device in devices.values()),
            degree=graph.degree,
            threshold=graph.threshold,
            signers=graph.signers,
            minimum=minimum,
        )
        return cls(shard_round, devices, {name: {} for name in names})

    def share_keys(self, clients: Collection[str]) -> dict[str, KeyBundle]:
        """The key bundles of these clients."""
        return {client: make_bundle(self.devices[client], self.shard_round) for client in clients}

    def close_roster(self, bundles: Mapping[str, KeyBundle]) -> tuple[Roster, dict[str, ReceivedShares]]:
        """The roster of those who have put bundles, and what each of them receives."""
        roster = close_roster(self.shard_round, bundles.values())
        return roster, {client: received_by(client, self.shard_round, bundles) for client in bundles}

    def masks_of(self, client: str, roster: Roster, received: ReceivedShares) -> list[Mask]:
        """The masks that a client adds."""
        return masks_of(self.devices[client], self.shard_round, roster, received)

    def mask(self, client: str, roster: Roster, received: ReceivedShares, update: Vector) -> Vector:
        """The masked update of a client, which its journal has before anybody else."""
        masked = update.copy()
        add_masks(masked, self.masks_of(client, roster, received))
        commit_to(self.journals[client], self.shard_round, roster, sha256_of(masked))
        return masked

    def accept(self, roster: Roster, masked: Mapping[str, Vector]) -> AcceptedSet:
        """The accepted set of the masked updates that have arrived."""
        return AcceptedSet(
            shard_round=self.shard_round.digest,
            roster=roster.digest,
            updates={client: sha256_of(vector) for client, vector in masked.items()},
        )

    def sign(self, client: str, roster: Roster, accepted: AcceptedSet) -> str:
        """A client's signature of the accepted set."""
        return self._signer(client).sign(self.shard_round, roster, accepted)

    def reveal(
        self,
        client: str,
        roster: Roster,
        received: ReceivedShares,
        accepted: AcceptedSet,
        signatures: Mapping[str, str],
    ) -> Revelation:
        """What a client reveals for the accepted set."""
        return self._signer(client).reveal(self.shard_round, roster, received, accepted, signatures)

    def unmask(
        self,
        roster: Roster,
        bundles: Mapping[str, KeyBundle],
        accepted: AcceptedSet,
        revelations: Collection[Revelation],
        total: Vector,
    ) -> None:
        """Take the masks out of the sum of the accepted updates, in place."""
        remove_masks(total, masks_in_sum(self.shard_round, roster, bundles, accepted, revelations))

    def _signer(self, client: str) -> Signer:
        return Signer(self.devices[client], self.journals[client])


def sha256_of(vector: Vector) -> str:
    """The SHA-256 of a vector's bytes."""
    return hashlib.sha256(vector.data).hexdigest()
