"""What `fedface bench gpu` reports."""

from __future__ import annotations

from loadtest.bench.report import BenchmarkReport
from loadtest.gpu.equality import Check
from loadtest.gpu.goals import Judgement
from loadtest.gpu.speeds import Speed


class GpuReport(BenchmarkReport):
    """Checks and times on one device."""

    device: str
    checks: tuple[Check, ...]
    speeds: tuple[Speed, ...]
    goals: tuple[Judgement, ...]
    left_out: tuple[str, ...]
    """What was not measured, and why."""
