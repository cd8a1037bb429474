"""A service that is run with a wrong clock: libraries see the wrong time, durations are right."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

SERVICE = """
import sys
import time
from multiprocessing import get_context
from time import time as as_kombu_imports_it

from fedface_core.adapters.system_clock import SystemClock

def show():
    print(as_kombu_imports_it(), SystemClock().now().isoformat(), time.monotonic(), __name__, len(sys.argv), flush=True)

show()
child = get_context("fork").Process(target=show)
child.start()
child.join()
"""


def test_a_service_and_its_child_processes_have_the_wrong_time(tmp_path: Path) -> None:
    (tmp_path / "service_of_test.py").write_text(SERVICE)
    command = [sys.executable, "-m", "loadtest.chaos.wrong_clock", "-300000", "service_of_test"]
    path = ":".join([str(tmp_path), *filter(None, sys.path)])
    began = (time.time(), time.monotonic())
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=60)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 2
    for library, own, monotonic, name, arguments in lines:
        assert -300_000 <= float(library) - began[0] < -299_900
        assert -300_000 <= (datetime.fromisoformat(own) - datetime.fromtimestamp(began[0], UTC)).total_seconds() < -299_900
        assert 0 <= float(monotonic) - began[1] < 100
        assert (name, arguments) == ("__main__", "1")
