"""A device: one secret, from which all its keys follow, and the two public keys by which others know it.

The secret never leaves the device. Since keys of a round follow from it, a task that is repeated, after a crash or on
purpose, makes the same keys, shares and masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pydantic import BaseModel, ConfigDict, StringConstraints

from fedface_core.domain.ids import ClientId
from fedface_core.secure_aggregation.derivation import SECRET_BYTES, derive
from fedface_core.secure_aggregation.errors import DamagedShareError

Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A public key: 32 bytes, in hexadecimal digits."""
Signature = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
"""An Ed25519 signature: 64 bytes, in hexadecimal digits."""
_PROBE: Final = X25519PrivateKey.from_private_bytes(bytes(SECRET_BYTES))


class DeviceKeys(BaseModel):
    """The public keys of a client's device, as they are registered at enrolment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: ClientId
    signing_key: Key
    """Ed25519: the device signs key bundles and accepted sets."""
    sealing_key: Key
    """X25519: others seal shares for the device."""

    def check(self, signature: str, signed: bytes, what: str) -> None:
        """Raise `DamagedShareError` unless the device has signed these bytes; ``what`` they are is named."""
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.signing_key)).verify(bytes.fromhex(signature), signed)
        except InvalidSignature:
            raise DamagedShareError(
                f"{what} is not signed by the device of {self.client}: it was changed or forged"
            ) from None


@dataclass(frozen=True)
class Device:
    """The secret side of a client's device. ``secret`` is 32 bytes of full entropy."""

    client: str
    secret: bytes

    def __post_init__(self) -> None:
        """Check the length of the secret."""
        assert len(self.secret) == SECRET_BYTES, "a device has a secret of 32 bytes"

    def __repr__(self) -> str:
        """Without the secret, which must be in no log."""
        return f"Device({self.client})"

    @property
    def public_keys(self) -> DeviceKeys:
        """The keys that others may know."""
        return DeviceKeys(
            client=self.client,
            signing_key=self._signing_key.public_key().public_bytes_raw().hex(),
            sealing_key=self._sealing_key.public_key().public_bytes_raw().hex(),
        )

    def sign(self, data: bytes) -> str:
        """The device's signature of some bytes."""
        return self._signing_key.sign(data).hex()

    def mask_key(self, shard_round: str) -> bytes:
        """The private X25519 key from which the masks with neighbours follow, for the round of a shard with this digest."""
        return derive(self.secret, "mask key", shard_round)

    def self_mask(self, shard_round: str) -> bytes:
        """The seed of the mask that the device adds alone, for the round of a shard with this digest."""
        return derive(self.secret, "self-mask", shard_round)

    def agree_on_seal(self, other: DeviceKeys) -> bytes:
        """The secret that only this device and the other one have, to seal shares with."""
        return agree(derive(self.secret, "sealing key"), other.sealing_key, other.client)

    @property
    def _signing_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(derive(self.secret, "signing key"))

    @property
    def _sealing_key(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(derive(self.secret, "sealing key"))


def agree(private: bytes, public: str, client: str) -> bytes:
    """The X25519 secret of a private key of ours and a public key of ``client``.

    `DamagedShareError`, which names the client, if the key is one that leads everybody to the same secret.
    """
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(bytes.fromhex(public))
        )
    except ValueError:
        raise DamagedShareError(f"the public key of {client} gives no secret: it was not made by a device") from None


def check_public_key(public: str, client: str) -> None:
    """Raise `DamagedShareError` if a public X25519 key of ``client`` would give no secret."""
    agree(_PROBE.private_bytes_raw(), public, client)


def public_key_of(private: bytes) -> str:
    """The public X25519 key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw().hex()
