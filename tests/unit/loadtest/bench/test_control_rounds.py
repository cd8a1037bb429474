"""The figures of a load: rates over the open round and over the whole round, and the median training round."""

from __future__ import annotations

from support.load_figures import load_figures


def test_rates_are_of_the_open_round_and_of_all_of_it() -> None:
    figures = load_figures(100, 8.0).rounds[1]
    assert figures.updates_per_second == 25.0
    assert figures.updates_per_second_in_all == 12.5


def test_the_seconds_of_a_round_are_the_median_of_training_rounds() -> None:
    load = load_figures(100, 8.0)
    slow = load.rounds[0].model_copy(update={"open_seconds": 1000.0})
    assert load.model_copy(update={"rounds": (slow, *load.rounds[1:])}).round_seconds == 8.0
    assert load.updates == 400
