"""The growth of a round's time is fitted to the median training round of each number of clients, and plotted."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.bench.control_growth import ControlReport, fit_growth, plot_growth
from loadtest.bench.machine import this_machine
from support.load_figures import load_figures


def test_growth_is_the_slope_of_the_logarithms() -> None:
    loads = [load_figures(clients, 0.5 * clients**0.75) for clients in (100, 300, 1000)]
    growth = fit_growth(loads)
    assert growth is not None
    assert growth.exponent == pytest.approx(0.75)
    assert growth.factor_seconds == pytest.approx(0.5)
    assert fit_growth(loads[:1]) is None


def test_the_growth_is_plotted(tmp_path: Path) -> None:
    loads = tuple(load_figures(clients, 0.01 * clients) for clients in (10, 100))
    report = ControlReport(machine=this_machine(), loads=loads, growth=fit_growth(loads))
    plot_growth(report, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
