"""A repetition is read from the result of the runner; a runner that fails is an error with the end of its log."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from loadtest.peers.measure import Repetition, RunnerFailedError, measure
from loadtest.peers.runner_result import RunnerResult, write_runner_result
from loadtest.peers.systems import System

# Runs in place of the runners, as `torchrun` does. The variant says what happens.
LAUNCHER = """
import shutil, sys, time
_module, _runner, variant, workload, rounds, result = sys.argv[1:]
if variant == "broken":
    raise SystemExit("there is no such variant")
if variant == "endless":
    time.sleep(60)
assert rounds == "3", "one round to warm up, and two that count"
shutil.copy(workload, result)
"""


def measure_with_launcher(folder: Path, variant: str, limit_seconds: float = 60.0) -> Repetition:
    (folder / "launcher.py").write_text(LAUNCHER)
    system = System("own", "our own", "none", variant, launcher=("launcher",), variables={"PYTHONPATH": str(folder)})
    return measure(system, None, folder / "prepared", 2, folder, limit_seconds)


def test_the_first_round_warms_up_and_the_others_count(tmp_path: Path) -> None:
    began = time.time()
    moments = (began + 1.0, began + 4.0, began + 5.0, began + 7.0)
    write_runner_result(RunnerResult(moments, {"weight": torch.ones(2)}, "2.13.0"), tmp_path / "prepared")
    repetition = measure_with_launcher(tmp_path, "good")
    assert repetition.warm_up_seconds == pytest.approx(3.0, abs=1e-3)
    assert repetition.round_seconds == pytest.approx((1.0, 2.0), abs=1e-3)
    assert repetition.round_median == pytest.approx(1.5, abs=1e-3)
    assert 0 < repetition.start_seconds <= 1.0
    assert repetition.torch == "2.13.0"
    assert torch.equal(repetition.first_model["weight"], torch.ones(2))


def test_a_runner_that_ends_with_an_error_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(RunnerFailedError, match=r"our own ended with status 1; .*:\nthere is no such variant"):
        measure_with_launcher(tmp_path, "broken")


def test_a_runner_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(RunnerFailedError, match="our own did not end in time"):
        measure_with_launcher(tmp_path, "endless", limit_seconds=0.5)
    assert time.monotonic() - began < 30
