"""The rule of a client about what it reveals: of each neighbour one share, of the one secret or of the other, and once.

Of a neighbour whose update is in the accepted set, the share of its self-mask; of one that is on the roster and not in the
set, the share of its mask key. With both, its update would be bare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fedface_core.domain.ids import ClientId, Sha256
from fedface_core.domain.mask_graph import MOST_CLIENTS
from fedface_core.secure_aggregation.accepted_set import AcceptedSet, check_agreement, sign_set
from fedface_core.secure_aggregation.device import Device, Signature
from fedface_core.secure_aggregation.errors import DamagedShareError, RevealRefusedError
from fedface_core.secure_aggregation.key_bundle import Shared, encode_share, open_shares
from fedface_core.secure_aggregation.masking_client import Journal, has_masked, refuse_second_sum, start_key
from fedface_core.secure_aggregation.roster import ReceivedShares, Roster
from fedface_core.secure_aggregation.shamir import SHARE_BYTES
from fedface_core.secure_aggregation.shard_round import ShardRound

Share = Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{2 * SHARE_BYTES}}}$")]


class Revelation(BaseModel):
    """What a client reveals, as an object in the store: a share for each neighbour. Of which secret, the set says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    client: ClientId
    accepted: Sha256
    signature: Signature = Field(description="The device's, of the accepted set.")
    shares: Annotated[dict[ClientId, Share], Field(max_length=MOST_CLIENTS)]


def secret_to_reveal(neighbour: str, accepted: AcceptedSet) -> Shared:
    """Which secret of a neighbour on the roster the accepted set asks for."""
    return Shared.SELF_MASK if neighbour in accepted.updates else Shared.MASK_KEY


class Signer:
    """A client that signs and reveals, by its journal: for one accepted set in a round, and for one round from a start."""

    def __init__(self, device: Device, journal: Journal) -> None:
        self._device = device
        self._journal = journal

    def sign(self, shard_round: ShardRound, roster: Roster, accepted: AcceptedSet) -> str:
        """Sign the accepted set, and remember it first. The same set is signed again, with the same bytes.

        `RevealRefusedError`, which says why, for every other set.
        """
        accepted.check(shard_round, roster)
        client = self._device.client
        own = accepted.updates.get(client)
        if own is None:
            raise RevealRefusedError(
                f"{client} is not in the accepted set of {shard_round}: only those who are reveal shares"
            )
        if not has_masked(self._journal, shard_round, roster, own):
            raise RevealRefusedError(f"{client} made another update than was accepted of it in {shard_round}")
        if self._journal.setdefault(start_key(shard_round), shard_round.digest) != shard_round.digest:
            refuse_second_sum(self._journal, shard_round)
        if self._journal.setdefault(f"signed {shard_round.digest}", accepted.digest) != accepted.digest:
            raise RevealRefusedError(
                f"{client} has signed another accepted set of {shard_round}: for a second one it would reveal the other "
                "secret of those in whom they differ"
            )
        return sign_set(self._device, accepted)

    def reveal(
        self,
        shard_round: ShardRound,
        roster: Roster,
        received: ReceivedShares,
        accepted: AcceptedSet,
        signatures: Mapping[str, str],
    ) -> Revelation:
        """One share for each neighbour on the roster; a share that its maker did not seal rightly is left out.

        ``signatures`` are those of the clients that have signed the accepted set, as many as the shard's round asks for.
        `RevealRefusedError`, which says why, if this client or too few others sign this set.
        """
        signature = self.sign(shard_round, roster, accepted)
        check_agreement(shard_round, accepted, signatures)
        shares = {}
        for neighbour in shard_round.neighbours(self._device.client):
            if neighbour not in roster.bundles or neighbour not in received.neighbours:
                continue
            try:
                opened = open_shares(self._device, shard_round, neighbour, received.neighbours[neighbour].share)
            except DamagedShareError:
                continue  # the shares of other neighbours may be enough
            shares[neighbour] = encode_share(opened.of(secret_to_reveal(neighbour, accepted))).hex()
        return Revelation(client=self._device.client, accepted=accepted.digest, signature=signature, shares=shares)
