"""Keys for tests: one key that stands for every service, and a store whose objects tests can put for any of them."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import BaseModel

from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.contracts.tasks import CORRELATION_HEADER
from fedface_core.domain.errors import NotFoundError
from fedface_core.ports import ArtifactStore, RunLedger
from fedface_core.runtime.celery_app import SigningCelery
from fedface_core.signing.keys import encoded_public, own_keys
from fedface_core.signing.life import current_life, working_for
from fedface_core.signing.makers import SIGNERS
from fedface_core.signing.messages import SIGNATURE_HEADER, signature_of


class SignedForItsRun(SignedArtifacts):
    """A store in which this process signs for every service. What a test puts by hand is signed for the run as it is now."""

    def __init__(self, store: ArtifactStore, ledger: RunLedger) -> None:
        super().__init__(store, own_keys())
        self._ledger = ledger

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        """Store an object as the service that makes it does."""
        correlation_id = self._correlation_id(key) if current_life() is None and key.startswith("runs/") else None
        with nullcontext() if correlation_id is None else working_for(correlation_id):
            super().put(key, *data, sha256=sha256)

    def put_once(self, key: str, *data: bytes | memoryview) -> bool:
        """Store an object as the service that makes it does, if there is none under the key."""
        correlation_id = self._correlation_id(key) if current_life() is None and key.startswith("runs/") else None
        with nullcontext() if correlation_id is None else working_for(correlation_id):
            return super().put_once(key, *data)

    def _correlation_id(self, key: str) -> str | None:
        try:
            return self._ledger.load(key.split("/")[1]).correlation_id
        except NotFoundError:
            return None


def key_of_all_services(folder: Path) -> dict[str, str]:
    """Make one key that is trusted to be every service's, and return the settings that name its files."""
    key = Ed25519PrivateKey.generate()
    private = folder / "signing.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    trusted = folder / "keys.json"
    trusted.write_text(json.dumps({service: [encoded_public(key.public_key())] for service in SIGNERS}))
    return {"FEDFACE_SIGNING_KEY_FILE": str(private), "FEDFACE_TRUSTED_KEYS_FILE": str(trusted)}


def signed_headers(app: SigningCelery, command: BaseModel, correlation_id: str = "none") -> dict[str, str]:
    """The headers of a message that a service which may send the command has signed."""
    signature = signature_of(app.keyring, command, command.model_dump(mode="json"), correlation_id)
    return {CORRELATION_HEADER: correlation_id, SIGNATURE_HEADER: signature}


def keys_in_environment() -> dict[str, str]:
    """The settings that name the keys of this test session, for processes with an environment of their own."""
    return {name: os.environ[name] for name in ("FEDFACE_SIGNING_KEY_FILE", "FEDFACE_TRUSTED_KEYS_FILE")}
