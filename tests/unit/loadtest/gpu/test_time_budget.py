"""Measurements end in time, whatever is under way, and what is missing is named."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
import torch

from loadtest.gpu import time_budget
from loadtest.gpu.time_budget import TimeBudget


def test_a_part_that_waits_is_left_when_the_time_is_over_and_the_next_does_not_begin() -> None:
    began = time.monotonic()
    budget = TimeBudget(0.2)
    done = []
    with budget.part("a process that sleeps"):
        try:
            subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], check=True)
        except Exception:
            done.append("swallowed")
        done.append("slept")
    with budget.part("another"):
        time.sleep(60)
    assert time.monotonic() - began < 20
    assert done == []
    assert budget.left_out == ["a process that sleeps, for want of time", "another, for want of time"]


def test_a_signal_on_the_way_into_a_part_is_not_lost_and_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    set_timer = signal.setitimer

    def wait_for_it(which: int, seconds: float, again: float = 0.0) -> tuple[float, float]:
        before = set_timer(which, seconds, again)
        if seconds:
            time.sleep(0.03)
        return before

    # The functions of the budget's file wait in a frame of their own here, so this file counts as one around a block too.
    monkeypatch.setattr("loadtest.gpu.time_budget.AROUND_A_BLOCK", (*time_budget.AROUND_A_BLOCK, __file__))
    monkeypatch.setattr(signal, "setitimer", wait_for_it)
    budget = TimeBudget(0)
    with budget.part("a process that sleeps"):
        subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], check=True)
    assert budget.left_out == ["a process that sleeps, for want of time"]


def test_a_part_that_is_left_leaves_none_of_torchs_modes_behind() -> None:
    for _ in range(20):
        with TimeBudget(0).part("a mode for no time at all, over and over"):
            while True:
                with torch.no_grad():
                    pass
        assert torch.is_grad_enabled()


def test_a_part_that_ends_in_time_leaves_no_timer() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    budget = TimeBudget(0.2)
    with budget.part("quick"):
        pass
    time.sleep(0.3)
    assert signal.getsignal(signal.SIGALRM) is handler
    assert budget.left_out == []


def test_an_error_of_a_part_is_raised() -> None:
    budget = TimeBudget(60)
    with pytest.raises(ArithmeticError), budget.part("wrong"):
        raise ArithmeticError
    assert budget.left_out == []
