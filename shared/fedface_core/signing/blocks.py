"""The blocks of an object that is larger than memory: each has a digest, so that each is checked when it is read.

The digests lie between the object and its trailer. What is signed is their SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

BLOCK_BYTES: Final = 8 * 2**20
DIGEST_BYTES: Final = 32


def blocks_in(size: int) -> int:
    """How many blocks an object of ``size`` bytes has. The last one may be shorter."""
    return -(-size // BLOCK_BYTES)


def block_digests(parts: Iterable[bytes | memoryview]) -> bytes:
    """The digests of an object's blocks, one after the other. ``parts`` are the object's bytes in order."""
    digests: list[bytes] = []
    block = hashlib.sha256()
    missing = BLOCK_BYTES
    for part in parts:
        rest = memoryview(part)
        while rest:
            block.update(rest[:missing])
            taken = min(missing, len(rest))
            rest = rest[taken:]
            missing -= taken
            if not missing:
                digests.append(block.digest())
                block = hashlib.sha256()
                missing = BLOCK_BYTES
    if missing < BLOCK_BYTES:
        digests.append(block.digest())
    return b"".join(digests)


def digest_of(digests: bytes) -> str:
    """The SHA-256 of the digests, in hexadecimal digits."""
    return hashlib.sha256(digests).hexdigest()


def is_block(data: memoryview, index: int, digests: bytes) -> bool:
    """Whether the bytes are those of the block with this index, counted from 0."""
    return hashlib.sha256(data).digest() == digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]
