"""The signature of an object: a line of JSON with a fixed length at its end, so that object and signature are put as one.

A JSON object with this line after it is still two lines of JSON, which people and tools can read.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedface_core.contracts import object_keys
from fedface_core.domain.ids import Sha256
from fedface_core.signing.errors import SignatureError, UnsignedError
from fedface_core.signing.keys import KEY_ID_DIGITS, Keyring
from fedface_core.signing.life import OF_NO_LIFE, current_life
from fedface_core.signing.makers import MAKERS

TRAILER_BYTES: Final = 384
_BEGINNING: Final = b'\n{"signed_by":'


class _Line(BaseModel):
    """The line as it is written."""

    model_config = ConfigDict(extra="forbid")

    signed_by: str = Field(max_length=40)
    key: str = Field(pattern=f"^[0-9a-f]{{{KEY_ID_DIGITS}}}$")
    life: str = Field(pattern=f"^[0-9a-f]{{{len(OF_NO_LIFE)}}}$")
    sha256: Sha256
    signature: str = Field(max_length=88)


@dataclass(frozen=True)
class Content:
    """What a trailer says of the bytes before it: how many there are, and their digest."""

    size: int
    sha256: str


def is_signed(key: str) -> bool:
    """Whether an object with this key must be signed. A key that FedFace would not make names no such object."""
    parts = key.split("/")
    whole = len(parts) > 2 and parts[0] == "runs" and (parts[2] != "rounds" or len(parts) > 4)
    return whole and object_keys.kind(key) in MAKERS


def make_trailer(keyring: Keyring, key: str, content: Content) -> bytes:
    """The trailer of an object. `SignatureError` if this process may not make objects of this kind."""
    service = keyring.signer([MAKERS[object_keys.kind(key)]], key)
    life = current_life() or OF_NO_LIFE
    _, identifier, signature = keyring.sign(service, _statement(service, key, life, content))
    line = _Line(
        signed_by=service, key=identifier, life=life, sha256=content.sha256, signature=b64encode(signature).decode()
    )
    trailer = b"\n" + line.model_dump_json().encode()
    assert len(trailer) < TRAILER_BYTES, "every part of it is bounded"
    return trailer.ljust(TRAILER_BYTES - 1) + b"\n"


def has_trailer(data: bytes | memoryview) -> bool:
    """Whether the bytes of an object end as those of a signed one do."""
    return bytes(data[-TRAILER_BYTES:]).startswith(_BEGINNING)


def read_trailer(keyring: Keyring, key: str, size: int, trailer: bytes) -> Content:
    """What the trailer of an object says of the ``size`` bytes before it. The bytes themselves are still to be compared.

    `UnsignedError` if there is no trailer; `SignatureError` if it is not by the service that makes such objects, for this
    key and, in a step, for the life of the run that the step works for.
    """
    if len(trailer) != TRAILER_BYTES or not has_trailer(trailer):
        maker = MAKERS[object_keys.kind(key)]
        raise UnsignedError(f"the object {key} is not signed by {maker}: it is of a FedFace that did not sign, or forged")
    try:
        line = _Line.model_validate(json.loads(trailer))
        signature = b64decode(line.signature, validate=True)
    except (ValueError, ValidationError, binascii.Error):
        raise SignatureError(f"the object {key} has a signature that cannot be read: it was damaged") from None
    content = Content(size, line.sha256)
    what = f"the object {key}"
    statement = _statement(line.signed_by, key, line.life, content)
    keyring.check((line.signed_by, line.key, signature), statement, [MAKERS[object_keys.kind(key)]], what)
    life = current_life()
    if life is not None and line.life != life:
        raise SignatureError(f"{what} was signed for another life of its run: it was put back")
    return content


def _statement(service: str, key: str, life: str, content: Content) -> bytes:
    """What is signed: also the key, so that an object cannot be moved, and the size, so that none can be cut."""
    return json.dumps(["fedface object", service, key, life, content.sha256, content.size], allow_nan=False).encode()
