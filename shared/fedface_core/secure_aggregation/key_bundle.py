"""What a client puts while keys are shared: a public key, and shares of its two secrets, sealed for each neighbour.

Shares are sealed by AES-SIV (RFC 5297), which needs no nonce: a repeated task makes the same bytes, and even another message
under the same key would show no more than that it is another. Beside each share stands its SHA-256. A share is a random
number of 257 bits, so this says nothing of it, but whoever is shown the share later knows whether it is the right one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fedface_core.domain.ids import ClientId, Sha256
from fedface_core.domain.mask_graph import MOST_CLIENTS
from fedface_core.secure_aggregation.derivation import derive, digest, statement
from fedface_core.secure_aggregation.device import Device, DeviceKeys, Key, Signature, check_public_key, public_key_of
from fedface_core.secure_aggregation.errors import DamagedShareError
from fedface_core.secure_aggregation.shamir import PRIME, SHARE_BYTES, share_at
from fedface_core.secure_aggregation.shard_round import ShardRound

_TAG_BYTES: Final = 16
_SEAL_KEY_BYTES: Final = 64
_COEFFICIENT_BYTES: Final = 48  # 127 bits more than a coefficient has: modulo the prime they are as good as uniform


class Shared(StrEnum):
    """The two secrets of a client in a round. Of a client that drops out, neighbours reveal shares of the first; of one
    whose update is in the sum, of the second; never of both.
    """

    MASK_KEY = "mask key"
    SELF_MASK = "self-mask"


class SealedShares(BaseModel):
    """The two shares for one neighbour."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sealed: Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{2 * (2 * SHARE_BYTES + _TAG_BYTES)}}}$")]
    mask_key_share_sha256: Sha256
    self_mask_share_sha256: Sha256

    def sha256(self, which: Shared) -> str:
        """The SHA-256 of the share of one of the two secrets."""
        return self.mask_key_share_sha256 if which is Shared.MASK_KEY else self.self_mask_share_sha256


class RoundKey(BaseModel):
    """The public part of a client's key bundle, signed by its device."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard_round: Sha256
    client: ClientId
    mask_key: Key
    self_mask_sha256: Sha256 = Field(description="Of the seed, which is random: whoever recovers it sees that it is right.")
    shares_sha256: Sha256 = Field(description="The digest of all sealed shares of the bundle.")
    signature: Signature

    @property
    def digest(self) -> str:
        """What the device has signed, as a digest. It stands for the whole bundle."""
        return digest("key bundle", self.shard_round, self.client, self.mask_key, self.self_mask_sha256, self.shares_sha256)

    def check(self, shard_round: ShardRound) -> None:
        """Raise `DamagedShareError` unless a member of the shard has made the bundle for this round."""
        what = f"the key bundle of {self.client}"
        if self.client not in shard_round.keys:
            raise DamagedShareError(f"{what} is of no member of shard {shard_round.shard}, and only members share keys")
        if self.shard_round != shard_round.digest:
            raise DamagedShareError(f"{what} was made for another round or shard than {shard_round}")
        shard_round.keys[self.client].check(self.signature, statement("signed key bundle", self.digest), what)


class KeyBundle(BaseModel):
    """A client's keys of one round, as an object in the store. It holds nothing that is secret from the aggregator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    key: RoundKey
    shares: Annotated[dict[ClientId, SealedShares], Field(max_length=MOST_CLIENTS)]

    @property
    def client(self) -> str:
        """Whose bundle it is."""
        return self.key.client


@dataclass(frozen=True)
class OpenedShares:
    """What a neighbour has of a client's two secrets: two numbers below `PRIME`."""

    mask_key: int
    self_mask: int

    def of(self, which: Shared) -> int:
        """The share of one of the two secrets."""
        return self.mask_key if which is Shared.MASK_KEY else self.self_mask


def make_bundle(device: Device, shard_round: ShardRound) -> KeyBundle:
    """The key bundle of a device: the same bytes each time."""
    secrets = {
        Shared.MASK_KEY: device.mask_key(shard_round.digest),
        Shared.SELF_MASK: device.self_mask(shard_round.digest),
    }
    polynomials = [_coefficients(device, shard_round, which, secret) for which, secret in secrets.items()]
    shares = {}
    for neighbour in shard_round.neighbours(device.client):
        point = shard_round.point(neighbour)
        plain = [encode_share(share_at(point, polynomial)) for polynomial in polynomials]
        seal = _seal(device, shard_round, shard_round.keys[neighbour], sender=device.client, receiver=neighbour)
        sealed = seal.encrypt(b"".join(plain), [_address(shard_round, device.client, neighbour)])
        shares[neighbour] = SealedShares(
            sealed=sealed.hex(),
            mask_key_share_sha256=hashlib.sha256(plain[0]).hexdigest(),
            self_mask_share_sha256=hashlib.sha256(plain[1]).hexdigest(),
        )
    key = RoundKey(
        shard_round=shard_round.digest,
        client=device.client,
        mask_key=public_key_of(secrets[Shared.MASK_KEY]),
        self_mask_sha256=hashlib.sha256(secrets[Shared.SELF_MASK]).hexdigest(),
        shares_sha256=_digest_of(shares),
        signature="0" * 128,
    )
    signature = device.sign(statement("signed key bundle", key.digest))
    return KeyBundle(key=key.model_copy(update={"signature": signature}), shares=shares)


def check_bundle(bundle: KeyBundle, shard_round: ShardRound) -> None:
    """Raise `DamagedShareError` unless a member of the shard has made the bundle, for this round and all its neighbours."""
    bundle.key.check(shard_round)
    check_public_key(bundle.key.mask_key, bundle.client)
    what = f"the key bundle of {bundle.client}"
    if set(bundle.shares) != set(shard_round.neighbours(bundle.client)):
        raise DamagedShareError(f"{what} must have a share for each of its {shard_round.degree} neighbours, and no other")
    if _digest_of(bundle.shares) != bundle.key.shares_sha256:
        raise DamagedShareError(f"{what} has other shares than its device has signed")


def open_shares(device: Device, shard_round: ShardRound, sender: str, sealed: SealedShares) -> OpenedShares:
    """What ``sender`` has sealed for this device, which is a neighbour of it.

    `DamagedShareError`, which names the sender, if the seal or one of the two digests is wrong.
    """
    seal = _seal(device, shard_round, shard_round.keys[sender], sender=sender, receiver=device.client)
    try:
        plain = seal.decrypt(bytes.fromhex(sealed.sealed), [_address(shard_round, sender, device.client)])
    except InvalidTag:
        raise DamagedShareError(
            f"the shares of {sender} for {device.client} were not sealed for it, or were changed"
        ) from None
    opened = OpenedShares(
        mask_key=int.from_bytes(plain[:SHARE_BYTES], "big"), self_mask=int.from_bytes(plain[SHARE_BYTES:], "big")
    )
    for which in Shared:
        check_share(sealed, which, opened.of(which), f"the share of the {which} of {sender} for {device.client}")
    return opened


def check_share(sealed: SealedShares, which: Shared, share: int, what: str) -> None:
    """Raise `DamagedShareError` unless the share is the one whose digest its maker has signed; ``what`` it is is named."""
    if not 0 <= share < PRIME or hashlib.sha256(encode_share(share)).hexdigest() != sealed.sha256(which):
        raise DamagedShareError(f"{what} is not the one that was made for it")


def encode_share(share: int) -> bytes:
    """A share as bytes."""
    return share.to_bytes(SHARE_BYTES, "big")


def _coefficients(device: Device, shard_round: ShardRound, which: Shared, secret: bytes) -> list[int]:
    """The polynomial of a secret. It follows from the device's secret, and from all that the shard's round is."""
    higher = (
        derive(device.secret, "coefficient", which, power, shard_round.digest, length=_COEFFICIENT_BYTES)
        for power in range(1, shard_round.threshold)
    )
    return [int.from_bytes(secret, "big"), *(int.from_bytes(drawn, "big") % PRIME for drawn in higher)]


def _seal(device: Device, shard_round: ShardRound, other: DeviceKeys, *, sender: str, receiver: str) -> AESSIV:
    """The cipher of one direction between two devices, in one round of one shard."""
    purpose = ("seal", shard_round.digest, sender, receiver)
    return AESSIV(derive(device.agree_on_seal(other), *purpose, length=_SEAL_KEY_BYTES))


def _address(shard_round: ShardRound, sender: str, receiver: str) -> bytes:
    """What is authenticated with the shares: who has sealed them for whom, and where."""
    place = (shard_round.run_id, shard_round.number, shard_round.shard, shard_round.digest)
    return statement("sealed shares", place, sender, receiver)


def _digest_of(shares: Mapping[str, SealedShares]) -> str:
    parts = [
        (client, share.sealed, share.mask_key_share_sha256, share.self_mask_share_sha256)
        for client, share in sorted(shares.items())
    ]
    return digest("sealed shares of a bundle", parts)
