"""CPU time between two moments is interpolated between readings, and that of an ended process still counts."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from loadtest.peers.cpu_meter import CpuMeter


def test_it_is_interpolated_between_the_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = CpuMeter(os.getpid())
    monkeypatch.setattr(meter, "readings", [(100.0, 0.0), (110.0, 5.0), (120.0, 5.0)])
    assert meter.between(102.0, 106.0) == pytest.approx(2.0)
    assert meter.between(100.0, 120.0) == pytest.approx(5.0)


def test_a_child_that_has_ended_still_counts() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        meter = CpuMeter(os.getpid())
        began = time.time()
        assert child.stdout is not None
        child.stdout.readline()
        meter.sample()
        child.communicate(b"\n")
    meter.sample()
    assert meter.between(began, time.time()) >= 0.2
