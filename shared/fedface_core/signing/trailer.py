"""The signature of an object: a line of JSON with a fixed length at its end, so that object and signature are put as one.

A JSON object with this line after it is still two lines of JSON, which people and tools can read.
Objects that are put together have one signature. Before the line, each has a salt and the path of
`fedface_core.signing.hash_tree`. The path shows hashes of other objects; the salt, that nobody can guess what they are of.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedface_core.contracts import object_keys
from fedface_core.domain.ids import Sha256
from fedface_core.signing.errors import SignatureError, UnsignedError
from fedface_core.signing.hash_tree import HASH_BYTES, leaf, root_and_paths, root_of
from fedface_core.signing.keys import KEY_ID_DIGITS, Keyring
from fedface_core.signing.life import OF_NO_LIFE, current_life
from fedface_core.signing.makers import MAKERS

TRAILER_BYTES: Final = 384
_BEGINNING: Final = b'\n{"signed_by":'
_SALT_BYTES: Final = 32
_MOST_HASHES: Final = 32
_ENCODER: Final = json.JSONEncoder(allow_nan=False)  # `json.dumps` would make one for each statement


class _Line(BaseModel):
    """The line as it is written."""

    model_config = ConfigDict(extra="forbid")

    signed_by: str = Field(max_length=40)
    key: str = Field(pattern=f"^[0-9a-f]{{{KEY_ID_DIGITS}}}$")
    life: str = Field(pattern=f"^[0-9a-f]{{{len(OF_NO_LIFE)}}}$")
    sha256: Sha256
    """Of the object; of the root, if objects were signed together."""
    hashes: int | None = Field(default=None, ge=0, le=_MOST_HASHES)
    """How many hashes of a path lie before the line, after a salt; None if the object was signed alone."""
    signature: str = Field(max_length=88)

    def as_trailer(self) -> bytes:
        """The line with its fixed length."""
        trailer = b"\n" + self.model_dump_json(exclude_none=True).encode()
        assert len(trailer) < TRAILER_BYTES, "every part of it is bounded"
        return trailer.ljust(TRAILER_BYTES - 1) + b"\n"


@dataclass(frozen=True)
class Content:
    """What a trailer says of the bytes before it: how many there are, and their digest."""

    size: int
    sha256: str


def is_signed(key: str) -> bool:
    """Whether an object with this key must be signed. A key that FedFace would not make names no such object."""
    return object_keys.kind(key) in MAKERS


def content_of(parts: Iterable[bytes | memoryview]) -> Content:
    """The size and the digest of an object, from its parts in order."""
    sha256 = hashlib.sha256()
    size = 0
    for part in parts:
        sha256.update(part)
        size += len(part)
    return Content(size, sha256.hexdigest())


def make_trailer(keyring: Keyring, key: str, content: Content) -> bytes:
    """The trailer of an object. `SignatureError` if this process may not make objects of this kind."""
    service = keyring.signer([MAKERS[object_keys.kind(key)]], key)
    life = current_life() or OF_NO_LIFE
    _, identifier, signature = keyring.sign(service, _statement(service, key, life, content))
    return _Line(
        signed_by=service, key=identifier, life=life, sha256=content.sha256, signature=b64encode(signature).decode()
    ).as_trailer()


def make_shared_trailers(keyring: Keyring, contents: Mapping[str, Content]) -> dict[str, bytes]:
    """What is put behind each of some objects of one maker: its salt, its path, and the trailer with their signature.

    `SignatureError` if this process may not make objects of this kind.
    """
    makers = {MAKERS[object_keys.kind(key)] for key in contents}
    if not contents:
        return {}
    assert len(makers) == 1, "what is signed together has one maker"
    service = keyring.signer(makers, f"the {len(contents)} objects with {next(iter(contents))}")
    life = current_life() or OF_NO_LIFE
    _, _, secret = keyring.sign(service, _encoded(["fedface salts", service, life]))  # the same when the step is repeated
    salts = [hmac.digest(secret, key.encode(), "sha256") for key in contents]
    leaves = [_leaf(salt, key, content) for salt, (key, content) in zip(salts, contents.items(), strict=True)]
    root, paths = root_and_paths(leaves)
    _, identifier, signature = keyring.sign(service, _shared_statement(service, life, root.hex()))
    line = _Line(signed_by=service, key=identifier, life=life, sha256=root.hex(), signature=b64encode(signature).decode())
    lengths = {len(path) // HASH_BYTES for path in paths}
    trailers = {hashes: line.model_copy(update={"hashes": hashes}).as_trailer() for hashes in lengths}
    ends = zip(contents, salts, paths, strict=True)
    return {key: salt + path + trailers[len(path) // HASH_BYTES] for key, salt, path in ends}


def has_trailer(data: bytes | memoryview) -> bool:
    """Whether the bytes of an object end as those of a signed one do."""
    return bytes(data[-TRAILER_BYTES:]).startswith(_BEGINNING)


def read_trailer(keyring: Keyring, key: str, size: int, trailer: bytes) -> Content:
    """What the trailer of an object says of the ``size`` bytes before it. The bytes themselves are still to be compared.

    `UnsignedError` if there is no trailer; `SignatureError` if it is not by the service that makes such objects, for this
    key and, in a step, for the life of the run that the step works for.
    """
    line = _read_line(key, trailer)
    content = Content(size, line.sha256)
    _check(keyring, key, line, _statement(line.signed_by, key, line.life, content))
    return content


def read_object(keyring: Keyring, key: str, stored: bytes) -> bytes:
    """The object in what is stored at a key: without its signature, which may be its own or one that it shares.

    Errors as those of `read_trailer`, and `SignatureError` if the object was changed.
    """
    before = max(0, len(stored) - TRAILER_BYTES)
    line = _read_line(key, stored[before:])
    if line.hashes is None:
        size = before
        _check(keyring, key, line, _statement(line.signed_by, key, line.life, Content(size, line.sha256)))
        found = content_of([memoryview(stored)[:size]]).sha256
    else:
        _check(keyring, key, line, _shared_statement(line.signed_by, line.life, line.sha256))
        path = before - HASH_BYTES * line.hashes
        size = path - _SALT_BYTES
        if size < 0:
            raise changed(key)
        own = _leaf(stored[size:path], key, content_of([memoryview(stored)[:size]]))
        found = root_of(own, stored[path:before]).hex()
    if found != line.sha256:
        raise changed(key)
    return stored[:size]


def changed(key: str) -> SignatureError:
    """The error of an object whose bytes are not those that were signed for its key."""
    return SignatureError(f"the object {key} was changed after it was signed")


def _read_line(key: str, trailer: bytes) -> _Line:
    if len(trailer) != TRAILER_BYTES or not has_trailer(trailer):
        maker = MAKERS[object_keys.kind(key)]
        raise UnsignedError(f"the object {key} is not signed by {maker}: it is of a FedFace that did not sign, or forged")
    try:
        return _Line.model_validate_json(trailer)
    except ValidationError:
        raise _damaged(key) from None


def _check(keyring: Keyring, key: str, line: _Line, statement: bytes) -> None:
    """Check who signed the statement of a line, and for which life. A signature that objects share is checked once."""
    what = f"the object {key}"
    try:
        signature = b64decode(line.signature, validate=True)
    except binascii.Error:
        raise _damaged(key) from None
    makers = [MAKERS[object_keys.kind(key)]]
    keyring.check((line.signed_by, line.key, signature), statement, makers, what, once=line.hashes is not None)
    life = current_life()
    if life is not None and line.life != life:
        raise SignatureError(f"{what} was signed for another life of its run: it was put back")


def _damaged(key: str) -> SignatureError:
    return SignatureError(f"the object {key} has a signature that cannot be read: it was damaged")


def _statement(service: str, key: str, life: str, content: Content) -> bytes:
    """What is signed: also the key, so that an object cannot be moved, and the size, so that none can be cut."""
    return _encoded(["fedface object", service, key, life, content.sha256, content.size])


def _shared_statement(service: str, life: str, root: str) -> bytes:
    """What is signed of objects that are put together. All else is in the leaves."""
    return _encoded(["fedface objects", service, life, root])


def _leaf(salt: bytes, key: str, content: Content) -> bytes:
    """An object's leaf, with its key and size for the reasons of `_statement`."""
    return leaf(salt + _encoded([key, content.sha256, content.size]))


def _encoded(parts: list[str | int]) -> bytes:
    return _ENCODER.encode(parts).encode()
