"""Keys: a service's own private key, and the public keys that are trusted, service by service.

A private key is a PEM file (PKCS 8, Ed25519). The trusted keys are a JSON file: service → its public keys, each the base64
of its 32 bytes. A service may have several, so that a key can be replaced while objects of the old one are still in use.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import TypeAdapter, ValidationError

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_file import read_bytes
from fedface_core.signing.errors import SignatureError
from fedface_core.signing.makers import SIGNERS

log = structlog.get_logger(__name__)

KEY_ID_DIGITS: Final = 16
_MOST_BYTES: Final = 2**20
_REMEMBERED: Final = 256
"""How many right signatures are remembered, of those that many objects share."""
_TRUSTED: Final = TypeAdapter(dict[str, list[str]])
_REMEDY: Final = "see 'Signatures' in docs/operations.md"

Signature = tuple[str, str, bytes]
"""The service that signed, the id of its key, and the 64 bytes of an Ed25519 signature."""


class TrustedKeys:
    """The public keys that are believed, by service and key id.

    If they are of a file, the file is read again when a signature has a key that is not among them and the file has changed.
    So a new key is known everywhere as soon as it is in the file; an old one is forgotten when the process starts again.
    """

    def __init__(self, keys: Mapping[str, Collection[Ed25519PublicKey]], file: Path | None = None) -> None:
        self._file = file
        self._stamp = _stamp(file)
        self._keys = _by_id(keys)

    @classmethod
    def read(cls, file: Path) -> TrustedKeys:
        """The keys in a file. `InvalidInputError`, which names the file, if it cannot be read."""
        return cls(read_trusted(file), file)

    def services_of(self, key: Ed25519PublicKey) -> frozenset[str]:
        """The services that this key is trusted to be of."""
        return frozenset(service for service, keys in self._keys.items() if key_id(key) in keys)

    def find(self, service: str, identifier: str) -> Ed25519PublicKey | None:
        """The key of this id, if it is trusted to be that of the service."""
        found = self._keys.get(service, {}).get(identifier)
        if found is None and self._read_again():
            found = self._keys.get(service, {}).get(identifier)
        return found

    def _read_again(self) -> bool:
        """Read the file again if it has changed. A file that is wrong now is logged, and the keys stay."""
        stamp = _stamp(self._file)
        if self._file is None or stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._keys |= {
                service: self._keys.get(service, {}) | keys for service, keys in _by_id(read_trusted(self._file)).items()
            }
        except InvalidInputError as error:
            log.warning("trusted_keys_unreadable", reason=str(error))
            return False
        return True


class Keyring:
    """What a process signs with, and whom it believes.

    ``own`` is the private key of each service that this process may sign for: nearly always one.
    """

    def __init__(self, own: Mapping[str, Ed25519PrivateKey], trusted: TrustedKeys) -> None:
        self._own = {service: (key_id(key.public_key()), key) for service, key in own.items()}
        self._trusted = trusted

    @property
    def services(self) -> frozenset[str]:
        """The services that this process signs for."""
        return frozenset(self._own)

    def signer(self, makers: Collection[str], what: str) -> str:
        """The service in whose name this process may make ``what``, which only ``makers`` may. `SignatureError` if none."""
        for service in sorted(makers):
            if service in self._own:
                return service
        raise SignatureError(f"{_names(self.services)} may not make {what}: only {_names(makers)} may")

    def sign(self, service: str, statement: bytes) -> Signature:
        """Sign a statement in the name of a service."""
        identifier, key = self._own[service]
        return service, identifier, key.sign(statement)

    def check(
        self, signature: Signature, statement: bytes, makers: Collection[str], what: str, *, once: bool = False
    ) -> None:
        """Raise `SignatureError` unless one of ``makers`` has signed the statement; ``what`` it is about is named.

        If many objects share the signature, it is computed ``once``, and remembered that it is right. Whether its key is
        trusted is looked up each time.
        """
        service, identifier, signed = signature
        if service not in makers:
            raise SignatureError(f"{what} is signed by {service!r:.40}, and only {_names(makers)} may make it")
        key = self._trusted.find(service, identifier)
        if key is None:
            raise SignatureError(
                f"{what} is signed with the key {identifier!r:.40}, which is not a trusted key of {service}; {_REMEDY}"
            )
        try:
            if once:
                _verify_once(key.public_bytes_raw(), signed, statement)
            else:
                key.verify(signed, statement)
        except InvalidSignature:
            raise SignatureError(f"{what} has a wrong signature of {service}: it was changed or forged") from None


def load_keyring(signing_key_file: Path | None, trusted_keys_file: Path) -> Keyring:
    """The keys of a service, from its two files. Its name is that under which its public key is trusted.

    Without a private key, the keys of somebody who only reads.
    `InvalidInputError`, which names the file, if one of them cannot be read, or the service's own key is not trusted.
    """
    trusted = TrustedKeys.read(trusted_keys_file)
    if signing_key_file is None:
        return Keyring({}, trusted)
    key = read_private(signing_key_file)
    services = trusted.services_of(key.public_key())
    if not services:
        raise InvalidInputError(
            f"the public key of {signing_key_file} is not in {trusted_keys_file}, so nobody would believe this service; "
            "python -m fedface_core.signing.make_keys DIRECTORY puts it there"
        )
    return Keyring(dict.fromkeys(services, key), trusted)


@cache
def own_keys() -> Keyring:
    """Keys that were drawn for this process alone: it signs for every service, and believes nobody but itself."""
    keys = {service: Ed25519PrivateKey.generate() for service in SIGNERS}
    return Keyring(keys, TrustedKeys({service: [key.public_key()] for service, key in keys.items()}))


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a public key: the first 16 hexadecimal digits of the SHA-256 of its bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:KEY_ID_DIGITS]


def encoded_public(key: Ed25519PublicKey) -> str:
    """A public key as the file of trusted keys has it."""
    return b64encode(key.public_bytes_raw()).decode()


def read_private(file: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file. `InvalidInputError`, which names the file, if there is none."""
    data = read_bytes(file, _MOST_BYTES)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInputError(f"{file} has no private Ed25519 key in PEM form without a password")
    return key


def read_trusted(file: Path) -> dict[str, list[Ed25519PublicKey]]:
    """Service → its public keys, from a JSON file. `InvalidInputError`, which names the file, if it is of another form."""
    try:
        texts = _TRUSTED.validate_json(read_bytes(file, _MOST_BYTES))
        return {
            service: [Ed25519PublicKey.from_public_bytes(b64decode(text, validate=True)) for text in keys]
            for service, keys in texts.items()
        }
    except (ValidationError, ValueError, binascii.Error) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(
            f'{file} is no list of trusted keys: it must be JSON such as {{"client": ["BASE64 OF A PUBLIC KEY"], …}}'
        ) from None


@lru_cache(_REMEMBERED)
def _verify_once(public: bytes, signed: bytes, statement: bytes) -> None:
    """`InvalidSignature` is raised each time: a call that raised is not remembered."""
    Ed25519PublicKey.from_public_bytes(public).verify(signed, statement)


def _by_id(keys: Mapping[str, Collection[Ed25519PublicKey]]) -> dict[str, dict[str, Ed25519PublicKey]]:
    return {service: {key_id(key): key for key in of_service} for service, of_service in keys.items()}


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file is replaced or written; None if there is no file."""
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)


def _names(services: Collection[str]) -> str:
    return " or ".join(sorted(services)) or "nobody"
