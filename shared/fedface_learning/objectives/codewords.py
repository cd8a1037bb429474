"""Codewords of BCH codes, which are far from each other: any two differ in at least d of their bits.

A BCH code of length n = 2^m − 1 with designed distance 2t + 1 is the set of all multiples of the generator polynomial g: the
least common multiple of the minimal polynomials of α, α², …, α^2t, for a primitive element α of GF(2^m). It encodes k bits,
n less the degree of g. A further bit, which makes the number of ones even, makes length and distance even.
Sources: Hocquenghem, 1959; Bose and Ray-Chaudhuri, 1960; MacWilliams and Sloane, *The Theory of Error-Correcting Codes*.

Polynomials over GF(2) are integers here: bit i is the coefficient of x^i. K bits of a message, C codewords, L bits of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

_PRIMITIVE: Final = {
    3: 0b1011,
    4: 0b10011,
    5: 0b100101,
    6: 0b1000011,
    7: 0b10001001,
    8: 0b100011101,
    9: 0b1000010001,
    10: 0b10000001001,
    11: 0b100000000101,
    12: 0b1000001010011,
}
"""m → a primitive polynomial of degree m: its root α generates GF(2^m) but for 0."""


@dataclass(frozen=True)
class BchCode:
    """A BCH code with a further parity bit."""

    length: int
    """L, a power of two: the bits of a codeword."""
    message_bits: int
    """K: the bits that are encoded."""
    distance: int
    """At least so many bits of two codewords differ; even."""
    generator: int
    """The generator polynomial, of degree L − 1 − K."""

    def encode(self, messages_CK: Tensor) -> Tensor:
        """The codewords (C, L), int64 bits, of messages (C, K): first the message, then what follows from it."""
        parity_KR = torch.tensor([self._parity(1 << self.message_bits - 1 - bit) for bit in range(self.message_bits)])
        words_CL = torch.cat([messages_CK, messages_CK @ parity_KR % 2], dim=1)
        return torch.cat([words_CL, words_CL.sum(dim=1, keepdim=True) % 2], dim=1)

    def _parity(self, message: int) -> list[int]:
        """The bits of message · x^R modulo the generator, of degree R: highest first."""
        degree = self.length - 1 - self.message_bits
        parity = _modulo(message << degree, self.generator)
        return [parity >> bit & 1 for bit in reversed(range(degree))]


@lru_cache(maxsize=8)
def widest_code(length: int, message_bits: int) -> BchCode:
    """The code of the least length of at least ``length`` bits that encodes ``message_bits`` or more, with most distance.

    `ValueError` if no code of up to 4,096 bits encodes so many.
    """
    for degree, primitive in _PRIMITIVE.items():
        if 2**degree >= length and 2**degree - 1 - degree >= message_bits:
            return _widest_of(degree, primitive, message_bits)
    raise ValueError(f"no code of up to {2 ** max(_PRIMITIVE)} bits has {length} bits and encodes {message_bits}")


def _widest_of(degree: int, primitive: int, message_bits: int) -> BchCode:
    size = 2**degree - 1
    powers = [1]
    for _ in range(size - 1):
        shifted = powers[-1] << 1
        powers.append(shifted ^ primitive if shifted >> degree else shifted)
    exponents = {element: exponent for exponent, element in enumerate(powers)}

    def minimal_polynomial(coset: list[int]) -> int:
        """The product of (x − α^j) over the coset; its coefficients are 0 or 1."""
        product = [1]  # lowest coefficient first
        for exponent in coset:
            times_root = [powers[(exponents[each] + exponent) % size] if each else 0 for each in product]
            product = [low ^ high for low, high in zip([*times_root, 0], [0, *product], strict=True)]
        return sum(coefficient << place for place, coefficient in enumerate(product))

    generator = 1
    roots: set[int] = set()
    distance = 1
    while True:
        coset = _coset(distance, size)
        if distance not in roots:
            if size - len(roots) - len(coset) < message_bits:
                break
            roots.update(coset)
            generator = _product(generator, minimal_polynomial(coset))
        distance += 2
    while distance in roots:
        distance += 1
    return BchCode(size + 1, size - len(roots), distance + distance % 2, generator)


def _coset(exponent: int, size: int) -> list[int]:
    """The exponents of the conjugates of α^exponent: exponent · 2^i modulo ``size``."""
    coset = [exponent % size]
    while (following := coset[-1] * 2 % size) != coset[0]:
        coset.append(following)
    return coset


def _product(one: int, other: int) -> int:
    product = 0
    while other:
        if other & 1:
            product ^= one
        one <<= 1
        other >>= 1
    return product


def _modulo(dividend: int, divisor: int) -> int:
    while dividend.bit_length() >= divisor.bit_length():
        dividend ^= divisor << dividend.bit_length() - divisor.bit_length()
    return dividend
