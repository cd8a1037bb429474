"""The times of `fedface bench gpu` in its tiny form, on the CPU: every goal has its figures."""

from __future__ import annotations

from loadtest.gpu.speeds import measure_all
from loadtest.gpu.workloads import Size


def test_every_goal_is_measured_beside_its_bare_loop() -> None:
    speeds = measure_all(Size.tiny(), "cpu", 1)
    assert [speed.goal for speed in speeds] == [40, 4, 20, 0.8]
    for speed in speeds:
        assert min(speed.seconds.values) > 0
        assert speed.ratio.values[0] == speed.beside_seconds.values[0] / speed.seconds.values[0]
