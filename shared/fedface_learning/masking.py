"""Masks of update vectors: uint64 vectors that look random, and cancel in the sum modulo 2⁶⁴.

`fedface_core.secure_aggregation` says who has which seed. Additions are modulo 2⁶⁴, as sums of updates in fixed point are,
so nothing is rounded, and neither order nor grouping matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

Vector = npt.NDArray[np.uint64]

SEED_BYTES: Final = 32
_BLOCK: Final = 2**15
"""Numbers that are made at once: 256 KiB, which stay in the processor's cache until they are added."""
_CIPHER_BLOCK: Final = 16


def add_masks(vector: Vector, masks: Iterable[tuple[bytes, int]]) -> None:
    """Add masks to a vector of any length, in place: seed (32 bytes) and sign, 1 or −1.

    A mask is the key stream of AES-256 in counter mode, read as little-endian numbers. A seed is for one mask, so its
    counter starts at 0.
    """
    streams = [(_stream(seed), sign) for seed, sign in masks]
    assert {sign for _, sign in streams} <= {1, -1}, "a mask is added or taken away"
    block = min(_BLOCK, len(vector))
    zeros = bytes(8 * block)
    made = np.empty(8 * block + _CIPHER_BLOCK - 1, dtype=np.uint8)  # as much room as the cipher asks for
    numbers = made[: 8 * block].view("<u8")
    for start in range(0, len(vector), _BLOCK):  # all masks of a block, while it is in the processor's cache
        part = vector[start : start + _BLOCK]
        size = len(part)
        for stream, sign in streams:
            stream.update_into(memoryview(zeros)[: 8 * size], made.data)
            if sign == 1:
                part += numbers[:size]
            else:
                part -= numbers[:size]


def remove_masks(total: Vector, masks: Iterable[tuple[bytes, int]]) -> None:
    """Take masks out of a sum, in place. ``masks`` are given with the signs that they have in the sum."""
    add_masks(total, ((seed, -sign) for seed, sign in masks))


def _stream(seed: bytes) -> CipherContext:
    assert len(seed) == SEED_BYTES, "a seed is a key of AES-256"
    return Cipher(algorithms.AES(seed), modes.CTR(bytes(_CIPHER_BLOCK))).encryptor()
