"""Shamir's sharing, by a published example and by its properties."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedface_core.secure_aggregation.shamir import PRIME, SHARE_BYTES, recover, share_at

# Wikipedia, "Shamir's secret sharing" (2026), the example over a finite field: p = 1613, f(x) = 1234 + 166x + 94x².
EXAMPLE_PRIME = 1613
EXAMPLE = [1234, 166, 94]
EXAMPLE_SHARES = {1: 1494, 2: 329, 3: 965, 4: 176, 5: 1188, 6: 775}


def test_the_published_example() -> None:
    assert {point: share_at(point, EXAMPLE, EXAMPLE_PRIME) for point in EXAMPLE_SHARES} == EXAMPLE_SHARES
    for points in combinations(EXAMPLE_SHARES, 3):
        assert recover({point: EXAMPLE_SHARES[point] for point in points}, EXAMPLE_PRIME) == 1234


@pytest.mark.parametrize("base", [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37])
def test_the_field_is_one_and_holds_every_secret_of_32_bytes(base: int) -> None:
    assert pow(base, PRIME - 1, PRIME) == 1, "Fermat's test"
    assert 2**256 < PRIME < 2 ** (8 * SHARE_BYTES)


@settings(max_examples=10, deadline=None, database=None, derandomize=True)
@given(st.integers(0, 2**256 - 1), st.integers(2, 20), st.integers(0, 10), st.randoms(use_true_random=False))
def test_any_threshold_of_shares_give_the_secret(secret: int, threshold: int, more: int, draws: random.Random) -> None:
    coefficients = [secret, *(draws.randrange(PRIME) for _ in range(threshold - 1))]
    points = draws.sample(range(1, 1000), threshold + more)
    shares = {point: share_at(point, coefficients) for point in points}
    assert recover(shares) == secret
    assert recover({point: shares[point] for point in points[:threshold]}) == secret


def test_fewer_shares_fit_every_secret() -> None:
    """Two shares of three in the field of 1613: each of the 1613 secrets is one point away."""
    two = {1: EXAMPLE_SHARES[1], 4: EXAMPLE_SHARES[4]}
    secrets = {recover({**two, 2: third}, EXAMPLE_PRIME) for third in range(EXAMPLE_PRIME)}
    assert secrets == set(range(EXAMPLE_PRIME))
