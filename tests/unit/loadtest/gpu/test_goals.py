"""A goal is met, missed or not measured."""

from __future__ import annotations

from loadtest.bench.repetitions import Repeated
from loadtest.gpu.goals import GOALS, PRETRAINING, TRAINING, Goal, judge
from loadtest.gpu.speeds import Speed


def speed(goal: Goal | None, *times_as_fast: float) -> Speed:
    ones = Repeated(values=(1.0,) * len(times_as_fast))
    return Speed(what="work", seconds=ones, beside_seconds=Repeated(values=times_as_fast), goal=goal)


def test_the_median_of_the_ratios_decides() -> None:
    judged = judge([speed(TRAINING, 10, 40, 90), speed(PRETRAINING, 0.7, 0.79, 2), speed(None, 1000)])
    assert [each.goal for each in judged] == [*GOALS]
    outcomes = {each.goal: each.outcome for each in judged}
    assert (outcomes.pop(TRAINING), outcomes.pop(PRETRAINING)) == ("met", "missed")
    assert set(outcomes.values()) == {"not measured"}
    assert [each.found is None for each in judged] == [each.outcome == "not measured" for each in judged]
