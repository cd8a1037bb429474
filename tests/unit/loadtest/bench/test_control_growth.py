"""The growth of a round's time is fitted to the median training round of each number of clients."""

from __future__ import annotations

import pytest

from loadtest.bench.control_growth import fit_growth
from support.load_figures import load_figures


def test_growth_is_the_slope_of_the_logarithms() -> None:
    loads = [load_figures(clients, 0.5 * clients**0.75) for clients in (100, 300, 1000)]
    growth = fit_growth(loads)
    assert growth is not None
    assert growth.exponent == pytest.approx(0.75)
    assert growth.factor_seconds == pytest.approx(0.5)
    assert fit_growth(loads[:1]) is None
