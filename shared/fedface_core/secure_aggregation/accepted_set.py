"""The accepted set of a shard: whose masked updates the sum is of. Its clients sign it before they reveal anything."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.ids import ClientId, Sha256
from fedface_core.domain.mask_graph import MOST_CLIENTS
from fedface_core.secure_aggregation.derivation import digest, statement
from fedface_core.secure_aggregation.device import Device, Signature
from fedface_core.secure_aggregation.errors import DamagedShareError, RevealRefusedError
from fedface_core.secure_aggregation.roster import Roster
from fedface_core.secure_aggregation.shard_round import ShardRound


class AcceptedSet(BaseModel):
    """Whose masked updates are summed, and the SHA-256 of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard_round: Sha256
    roster: Sha256
    updates: Annotated[dict[ClientId, Sha256], Field(max_length=MOST_CLIENTS)]

    @cached_property
    def digest(self) -> str:
        """What clients sign."""
        return digest("accepted set", self.shard_round, self.roster, sorted(self.updates.items()))

    def check(self, shard_round: ShardRound, roster: Roster) -> None:
        """Raise `RevealRefusedError` unless the set is of this round, of clients on the roster, and large enough to sum."""
        if (self.shard_round, self.roster) != (shard_round.digest, roster.digest):
            raise RevealRefusedError(f"the accepted set is of another round or roster than those of {shard_round}")
        strangers = sorted(self.updates.keys() - roster.bundles.keys())
        if strangers:
            raise RevealRefusedError(f"the accepted set of {shard_round} has clients that shared no keys: {strangers[0]}, …")
        if len(self.updates) < shard_round.minimum:
            raise RevealRefusedError(
                f"{len(self.updates)} updates were accepted in {shard_round}, and a sum of fewer than {shard_round.minimum} "
                "is not unmasked"
            )


class SetSignature(BaseModel):
    """A client's signature of an accepted set, as an object in the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    client: ClientId
    accepted: Sha256
    signature: Signature


def sign_set(device: Device, accepted: AcceptedSet) -> str:
    """A device's signature of an accepted set. Whoever signs has to remember it: see `revealing.Signer`."""
    return device.sign(statement("signed accepted set", accepted.digest))


def check_signature(shard_round: ShardRound, client: str, accepted: AcceptedSet, signature: str) -> None:
    """Raise `DamagedShareError` unless this client's device has signed the accepted set."""
    signed = statement("signed accepted set", accepted.digest)
    shard_round.keys[client].check(signature, signed, f"the accepted set of {shard_round}")


def check_agreement(shard_round: ShardRound, accepted: AcceptedSet, signatures: Mapping[str, str]) -> None:
    """Raise `RevealRefusedError` unless as many clients of the set have signed it as the shard's round asks for.

    Each honest client signs one set, so with enough signatures there is only one such set.
    """
    signed = 0
    for client in accepted.updates.keys() & signatures.keys():
        try:
            check_signature(shard_round, client, accepted, signatures[client])
        except DamagedShareError:
            continue  # who signs another set does not count for this one
        signed += 1
    if signed < shard_round.signers:
        raise RevealRefusedError(
            f"{signed} clients have signed this accepted set of {shard_round}, and {shard_round.signers} must: others may "
            "know another set"
        )
