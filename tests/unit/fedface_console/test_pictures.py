from __future__ import annotations

from datetime import timedelta

import pytest

from fedface_console.pictures import BAR_WIDTH, HEIGHT, WIDTH, round_bars, sparkline
from fedface_core.contracts.http import RoundView
from support.api_answers import NOW


def view(number: int, opened: float, closed: float | None, finished: float | None, phase: str = "finished") -> RoundView:
    at = [None if seconds is None else NOW + timedelta(seconds=seconds) for seconds in (opened, closed, finished)]
    fields = {"opened_at": at[0], "deadline_at": at[0], "closed_at": at[1], "finished_at": at[2], "phase": phase}
    counts = {"number": number, "invited": 1, "accepted": 1, "failed": {}, "model_sha256": "0" * 64}
    return RoundView.model_validate(fields | counts | {"aggregation": None, "scores": None})


def test_a_sparkline_goes_from_the_first_round_to_the_last_and_up_for_more() -> None:
    line = sparkline([0.5, None, 0.9], "TAR@1e-3")
    assert line is not None
    points = [tuple(map(float, pair.split(","))) for pair in line.points.split()]
    assert [x for x, _ in points] == [3.0, WIDTH - 3.0]
    assert points[0][1] > points[1][1]
    assert line.text == "TAR@1e-3: 50.00 % at first, 90.00 % now"
    assert (line.last_x, line.last_y) == points[-1]


def test_a_line_of_equal_values_lies_in_the_middle() -> None:
    line = sparkline([0.4, 0.4], "TAR")
    assert line is not None
    assert line.last_y == HEIGHT / 2


def test_nothing_is_drawn_of_nothing() -> None:
    assert sparkline([], "TAR") is None
    assert sparkline([None, None], "TAR") is None


def test_a_long_run_has_few_points_and_the_last_one_is_its_last() -> None:
    line = sparkline([index / 20_000 for index in range(20_000)], "TAR")
    assert line is not None
    assert len(line.points.split()) <= 122
    assert line.last_x == WIDTH - 3


def test_bars_lie_side_by_side_on_one_axis() -> None:
    bars = round_bars([view(0, 0, 4, 5), view(1, 5, 9, 10)], NOW)
    assert [(bar.x, bar.width, bar.what) for bar in bars[0]] == [(0, 400, "open"), (400, 100, "computing")]
    assert [(bar.x, bar.width) for bar in bars[1]] == [(500, 400), (900, 100)]


def test_an_open_round_lasts_until_now_and_an_abandoned_one_is_told_apart() -> None:
    now = NOW + timedelta(seconds=10)
    bars = round_bars([view(0, 0, None, 5, "abandoned"), view(1, 5, None, None, "open")], now)
    assert [(bar.x, bar.width, bar.what) for one in bars.values() for bar in one] == [
        (0, 500, "abandoned"),
        (500, 500, "open"),
    ]


@pytest.mark.parametrize("rounds", [[], [view(0, 0, 0, 0)]])
def test_bars_stay_within_the_picture(rounds: list[RoundView]) -> None:
    for bars in round_bars(rounds, NOW).values():
        assert all(0 <= bar.x <= BAR_WIDTH and bar.width >= 2 for bar in bars)
