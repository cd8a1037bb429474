"""The checks of `fedface bench gpu` in its tiny form, on the CPU."""

from __future__ import annotations

from loadtest.gpu.equality import check_all
from loadtest.gpu.workloads import Size


def test_results_are_equal_on_the_cpu() -> None:
    checks = check_all(Size.tiny(), "cpu")
    assert [check.what for check in checks if not check.holds] == []
    assert len(checks) == 7
