"""Shamir's secret sharing: any ``threshold`` shares give the secret, fewer say nothing of it.

A. Shamir, *How to Share a Secret*, CACM 1979: the secret is the value at 0 of a polynomial over a prime field, a share its
value at another point. There is a library for this (PyCryptodome), but it draws coefficients itself, so a repeated task
would put other bytes. Arithmetic is Python's, which takes a time that depends on the numbers: a device that others can
time needs another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

PRIME: Final = 2**256 + 297
"""The smallest prime above 2²⁵⁶, so that every secret of 32 bytes is a number of the field."""
SHARE_BYTES: Final = 33


def share_at(point: int, coefficients: Sequence[int], prime: int = PRIME) -> int:
    """The share at a ``point`` from 1 to ``prime`` − 1.

    ``coefficients`` are the polynomial's: first the secret, then as many uniform numbers below ``prime`` as the threshold is
    above 1.
    """
    assert 0 < point < prime, "the value at 0 is the secret itself"
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % prime
    return value


def recover(shares: Mapping[int, int], prime: int = PRIME) -> int:
    """The secret from as many shares as the threshold: point → share (Lagrange's interpolation at 0)."""
    secret = 0
    for point, share in shares.items():
        numerator = 1
        denominator = 1
        for other in shares:
            if other != point:
                numerator = numerator * other % prime
                denominator = denominator * (other - point) % prime
        secret = (secret + share * numerator * pow(denominator, -1, prime)) % prime
    return secret
