"""Processor time between two moments is interpolated between readings, told by thread, and kept of what has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple

import pytest

from loadtest.bench.cpu_meter import CpuMeter, CpuSeconds, Reading

TICK = 0.01
# Its main thread computes for a time, its other thread for another, each by its own clock. It says so, and ends on a line.
BUSY = """
import sys, threading, time

def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass

told = threading.Event()
thread = threading.Thread(target=lambda: (compute(float(sys.argv[2])), told.set(), stays and ended.wait()))
stays, ended = sys.argv[3] == "stays", threading.Event()
thread.start()
compute(float(sys.argv[1]))
told.wait()
if not stays:
    thread.join()
print(time.process_time(), flush=True)
input()
ended.set()
"""


@contextmanager
def busy_process(
    main_thread: float, other_thread: float, *, stays: bool = True
) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """A process whose threads have computed for so many seconds, and its processor time; its second thread stays or ends."""
    command = [sys.executable, "-c", BUSY, str(main_thread), str(other_thread), "stays" if stays else "ends"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, float(process.stdout.readline())
        process.communicate("\n")


def test_it_is_interpolated_between_the_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = CpuMeter({"ours": os.getpid()})
    used = [CpuSeconds(), CpuSeconds(5.0, 1.0, 2.0), CpuSeconds(5.0, 3.0, 2.0)]
    readings = [Reading(100.0 + 10 * number, 4.0 * number, {"ours": each}) for number, each in enumerate(used)]
    monkeypatch.setattr(meter, "readings", readings)
    assert astuple(meter.between(102.0, 106.0)["ours"]) == pytest.approx((2.0, 0.4, 0.8))
    assert meter.between(100.0, 120.0)["ours"].total == pytest.approx(10.0)
    assert meter.idle_between(105.0, 120.0) == pytest.approx(6.0)


@pytest.mark.parametrize("stays", [True, False], ids=["while it waits", "after its end"])
def test_a_thread_counts_apart_from_the_main_thread(stays: bool) -> None:
    meter = CpuMeter({"ours": os.getpid()})
    began = time.time()
    with busy_process(0.1, 0.5, stays=stays) as (_, in_all):
        meter.sample()
    used = meter.between(began, time.time())["ours"]
    assert used.other_threads == pytest.approx(0.5, abs=0.05 + 2 * TICK)
    assert used.main_threads == pytest.approx(in_all - 0.5, abs=0.05 + 2 * TICK)
    assert used.main_threads >= 0.1 - TICK


def test_the_process_itself_counts_apart_from_what_it_has_started() -> None:
    with busy_process(0.05, 0.05) as (process, in_all):
        meter = CpuMeter({"busy": process.pid})
        used = meter.readings[0].used["busy"]
    assert used.own == pytest.approx(in_all, abs=0.05 + 2 * TICK)
    assert (used.main_threads, used.other_threads) == (0.0, 0.0)


def test_a_child_that_has_ended_still_counts() -> None:
    meter = CpuMeter({"ours": os.getpid()})
    began = time.time()
    with busy_process(0.1, 0.1):
        meter.sample()
    meter.sample()
    used = meter.between(began, time.time())["ours"]
    assert used.main_threads + used.other_threads >= 0.2 - 2 * TICK


def test_a_process_that_has_ended_before_has_used_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    meter = CpuMeter({"ended": ended.pid})
    meter.sample()
    assert meter.between(0.0, time.time()) == {"ended": CpuSeconds()}


def test_a_reading_is_taken_at_the_exit() -> None:
    meter = CpuMeter({"ours": os.getpid()})
    with meter:
        before_the_exit = time.time()
    assert meter.readings[-1].moment >= before_the_exit
