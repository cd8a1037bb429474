"""The fitted exponent is that of a power."""

from __future__ import annotations

import pytest

from loadtest.bench.power_law import PowerLaw


def test_the_exponent_is_that_of_a_power() -> None:
    assert PowerLaw.fit([1, 10, 100], [3, 3 * 10**0.7, 3 * 100**0.7]).exponent == pytest.approx(0.7)
