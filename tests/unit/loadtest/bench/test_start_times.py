"""The seconds of processes and of a stack's start. `tests/e2e/test_local_stack.py` waits for a real stack in this way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedface_stack.stack import StackError
from loadtest.bench import start_times
from loadtest.bench.start_times import MEASURES, process_seconds, up_seconds, wait_until_ready

STACK = """
import sys, time
print("starting", flush=True)
if "up" in sys.argv:
    time.sleep(0.2)
    print("● the local stack is up; Ctrl-C stops it", flush=True)
    time.sleep(60)
"""


def test_a_process_is_timed_to_its_end() -> None:
    assert process_seconds("-c", "import time; time.sleep(0.2)") >= 0.2
    with pytest.raises(subprocess.CalledProcessError):
        process_seconds("-c", "raise SystemExit(3)")


@pytest.mark.parametrize("name", ["fedface --help", "import of the API"])
def test_a_measured_process_ends_without_an_error(name: str) -> None:
    assert MEASURES[name]() > 0


def test_a_stack_is_timed_until_it_is_ready_and_then_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "stack.py"
    script.write_text(STACK)
    monkeypatch.setattr(start_times, "up_command", lambda _workdir: (sys.executable, str(script), "up"))
    assert 0.2 <= up_seconds() < 60


def test_a_stack_that_ends_before_it_is_ready_is_an_error_with_what_it_said() -> None:
    with pytest.raises(StackError, match="ended before the stack was ready:\nstarting\nno port is free"):
        wait_until_ready(["starting\n", "no port is free\n"])
