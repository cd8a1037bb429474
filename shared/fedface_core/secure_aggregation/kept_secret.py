"""What a device seals for itself alone: what it keeps from round to round, where others keep it for the device.

AES-SIV (RFC 5297) needs no nonce, so a repeated task makes the same bytes. Round and client are authenticated with what is
sealed: equal values in two rounds do not look equal, and what was kept in one round does not open as that of another one.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from fedface_core.secure_aggregation.derivation import derive, statement
from fedface_core.secure_aggregation.device import Device
from fedface_core.secure_aggregation.errors import DamagedShareError

SEAL_BYTES: Final = 16
"""So many bytes longer is what is sealed."""
_KEY_BYTES: Final = 64


def seal(device: Device, run_id: str, number: int, kept: bytes) -> bytes:
    """What a device keeps of its update of round ``number``, sealed so that only this device can open it."""
    return _cipher(device).encrypt(kept, [_place(device, run_id, number)])


def unseal(device: Device, run_id: str, number: int, sealed: bytes) -> bytes:
    """What the device has sealed in round ``number``. `DamagedShareError` if it did not seal this, or not in that round."""
    try:
        return _cipher(device).decrypt(sealed, [_place(device, run_id, number)])
    except (InvalidTag, ValueError):
        raise DamagedShareError(
            f"what {device.client} keeps of round {number} of {run_id} was not sealed by its device, or was changed"
        ) from None


def _cipher(device: Device) -> AESSIV:
    return AESSIV(derive(device.secret, "kept", length=_KEY_BYTES))


def _place(device: Device, run_id: str, number: int) -> bytes:
    return statement("kept", run_id, number, device.client)
