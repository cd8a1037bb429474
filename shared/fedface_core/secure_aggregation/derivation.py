"""Secrets from secrets, by HKDF; digests of statements. What is derived for one purpose says nothing of any other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES: Final = 32
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
Part: TypeAlias = str | int | Sequence["Part"]
"""What a statement is made of: texts, whole numbers, and lists of them."""


def derive(secret: bytes, *purpose: Part, length: int = SECRET_BYTES) -> bytes:
    """``length`` bytes for a purpose, from a secret of full entropy (HKDF-SHA-256, RFC 5869, without salt).

    The same secret and purpose always give the same bytes.
    """
    return HKDF(SHA256(), length, salt=None, info=statement(*purpose)).derive(secret)


def statement(*parts: Part) -> bytes:
    """The parts as bytes, so that two different lists of parts are never the same bytes (JSON)."""
    return _ENCODER.encode(["fedface secure aggregation", *parts]).encode()


def digest(*parts: Part) -> str:
    """The SHA-256 of a statement, in hexadecimal digits."""
    return hashlib.sha256(statement(*parts)).hexdigest()
