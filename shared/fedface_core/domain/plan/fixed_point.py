"""The fixed point in which the changes of a round are summed: how fine it is, and why no sum leaves its 64 bits (ADR 40).

A client's contribution to a parameter is its number of images times its change of the parameter. It is rounded to a whole
number of units of 2^-b, and whole numbers are added. b, the number of fraction bits, follows from the plan:

1. A change is at most the largest norm that an update may have, so a contribution is below ``norm · images``. Let this be
   at most 2^e. Then a contribution has at most 2^(e+b) units; rounding does not exceed that, because it is a whole number.
2. At most 2^c clients are invited to a round, so their sum has at most 2^(e+b+c) units.
3. b is at most 62 - e - c, so the sum has at most 2^62 units, and a signed number of 64 bits holds up to 2^63 - 1.
4. b is also at most 50 - e, so a contribution has at most 2^50 units: float64, in which it is computed, is finer than that.
"""

from __future__ import annotations

from math import frexp
from typing import Final

LEAST_FRACTION_BITS: Final = 24
"""Sums are no coarser than 2^-24: a float32 number below 1 is not finer either, unless it is below one half."""
_MOST_FRACTION_BITS: Final = 149  # no two float32 numbers differ by less than 2^-149
_BITS_OF_A_SUM: Final = 62
_BITS_OF_A_CONTRIBUTION: Final = 50
_ROUNDING: Final = 1 + 2**-10  # more than the norm, which is computed in float64, can be too small by


def fraction_bits(largest_norm: float, most_images: int, clients: int) -> int:
    """b, the number of fraction bits for updates of this norm, of so many images, and of so many ``clients`` at most.

    It may be below `LEAST_FRACTION_BITS`, or even below zero.
    """
    _, exponent = frexp(largest_norm * most_images * _ROUNDING)
    return min(
        _MOST_FRACTION_BITS,
        _BITS_OF_A_CONTRIBUTION - exponent,
        _BITS_OF_A_SUM - exponent - _bits_of_a_count(clients),
    )


def largest_norm_for(most_images: int, clients: int) -> float:
    """The largest norm of updates with which sums have `LEAST_FRACTION_BITS`, given the other bounds."""
    exponent = min(_BITS_OF_A_CONTRIBUTION, _BITS_OF_A_SUM - _bits_of_a_count(clients)) - LEAST_FRACTION_BITS
    return float(2.0**exponent / (most_images * _ROUNDING)) * (1 - 2**-50)


def _bits_of_a_count(clients: int) -> int:
    """c, with 2^c clients or less: the exponent of the power of two that is not below ``clients``."""
    return (clients - 1).bit_length()
