"""Checks that a client worker has signed an update, before it is summed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedface_core.domain.errors import ArtifactMissingError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.ports import Signatures
from fedface_core.signing.errors import SignatureError


@dataclass(frozen=True)
class SignedUpdates:
    """The updates of a shard: key → what the ledger has accepted.

    The ledger alone is no proof: whoever can settle one client could settle another. The SHA-256 that the ledger has must be
    the one that a client worker has signed for this key and this life of the run. The sum compares it with the bytes.
    """

    signatures: Signatures
    accepted: Mapping[str, AcceptedUpdate]

    def check(self, key: str, size: int, behind: bytes | None) -> None:
        """Raise `UpdateRefusedError` unless a client worker has signed the update that was accepted for this key.

        ``size`` is how many bytes it has in the store, ``behind`` what was read behind them.
        """
        accepted = self.accepted[key]
        try:
            signed = self.signatures.signed_sha256(key, size, behind)
        except ArtifactMissingError as error:
            raise UpdateRefusedError(RefusalReason.MISSING, str(error)) from error
        except SignatureError as error:
            raise UpdateRefusedError(RefusalReason.UNSIGNED, str(error)) from error
        if signed is not None and signed != accepted.sha256:
            raise UpdateRefusedError(RefusalReason.CHANGED, f"{key} was signed with another SHA-256 than the accepted one")
