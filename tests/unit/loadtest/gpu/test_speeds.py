"""The times of `fedface bench gpu` in its tiny form, on the CPU: every goal has its figures."""

from __future__ import annotations

from loadtest.gpu.goals import PRETRAINING, SIMULATED_ROUND, TRAINING, WIDE_TRAINING
from loadtest.gpu.speeds import measure_all
from loadtest.gpu.time_budget import TimeBudget
from loadtest.gpu.workloads import Size


def test_every_goal_is_measured_beside_its_bare_loop() -> None:
    budget = TimeBudget(600)
    speeds = measure_all(Size.tiny(), "cpu", 1, budget)
    assert [speed.goal for speed in speeds] == [TRAINING, WIDE_TRAINING, SIMULATED_ROUND, PRETRAINING, None]
    assert speeds[3].what.startswith("spherenet-4, pre-training, 2 steps of 16")
    assert speeds[4].what.startswith("iresnet-50, pre-training, 2 steps of 16")
    for speed in speeds:
        assert min(speed.seconds.values) > 0
        assert speed.ratio.values[0] == speed.beside_seconds.values[0] / speed.seconds.values[0]
        assert speed.peak_bytes is None, "which is measured on a GPU only"
    assert budget.left_out == []


def test_what_there_is_no_time_for_is_named() -> None:
    budget = TimeBudget(0)
    assert measure_all(Size.tiny(), "cpu", 1, budget) == []
    assert len(budget.left_out) == 5
    assert budget.left_out[2] == "a simulated round, for want of time"
