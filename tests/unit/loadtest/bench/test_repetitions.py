"""Measures take turns, and ratios are taken within a repetition."""

from __future__ import annotations

import pytest

from loadtest.bench.repetitions import Repeated, measure_in_turns, ratios


def test_measures_take_turns_and_keep_the_order_of_their_repetitions() -> None:
    order: list[str] = []
    counter = iter(range(1, 7))

    def measure(name: str) -> float:
        order.append(name)
        return float(next(counter))

    figures = measure_in_turns({"ours": lambda: measure("ours"), "loop": lambda: measure("loop")}, 3)
    assert order == ["ours", "loop"] * 3
    assert figures["ours"].values == (1.0, 3.0, 5.0)
    assert figures["loop"].values == (2.0, 4.0, 6.0)


def test_a_ratio_is_taken_within_its_repetition() -> None:
    ratio = ratios([2.0, 20.0, 3.0], [1.0, 10.0, 1.0])
    assert ratio.values == (2.0, 2.0, 3.0)
    assert ratio.median == 2.0
    assert ratio.spread == (2.0, 3.0)
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def test_median_and_spread_are_written_with_three_digits() -> None:
    assert str(Repeated(values=(1.23456, 3.0, 2.0))) == "2 [1.23, 3]"
