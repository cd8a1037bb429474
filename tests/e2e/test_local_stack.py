"""`fedface up` with the real services: it comes up, it stops in order, and it leaves no process however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

pytestmark = pytest.mark.timeout(600)  # torch is imported three times over, perhaps on a busy machine


@contextmanager
def fedface_up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `fedface up` and its API's address; killed at the end if it still runs."""
    command = [sys.executable, "-m", "fedface_cli.main", "up", "--workdir", str(tmp_path / "work"), "--api-port", "0"]
    # By this mark its descendants are found, whatever they have become.
    environment = {**os.environ, "FEDFACE_TEST_MARK": str(tmp_path), "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            said = ""
            while "in another terminal" not in said:
                line = process.stdout.readline()
                assert line, f"it ended: {said}\n{process.stderr.read() if process.stderr else ''}"
                said += line
            found = re.search(r"API +(http://\S+)", said)
            assert found is not None
            yield process, found[1]
        finally:
            process.kill()


def marked(tmp_path: Path) -> list[str]:
    """The command lines of the living processes that descend from the stack."""
    lines = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it ended meanwhile
            if process.environ().get("FEDFACE_TEST_MARK") == str(tmp_path):
                lines.append(" ".join(process.cmdline()))
    return lines


def all_gone(tmp_path: Path, within_seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + within_seconds
    while marked(tmp_path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_interrupted_it_stops_all_and_says_so(tmp_path: Path) -> None:
    with fedface_up(tmp_path) as (process, url):
        assert httpx.get(f"{url}/readyz").status_code == 200
        running = "\n".join(marked(tmp_path))
        for module in (
            "fedface_control.api",
            "fedface_control.worker",
            "fedface_client",
            "fedface_aggregator",
            "fedface_evaluator",
        ):
            assert module in running
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "stopped" in out
        assert marked(tmp_path) == []
    log = (tmp_path / "work" / "logs" / "client.log").read_text()
    assert "Traceback" not in log


def test_killed_it_leaves_no_process(tmp_path: Path) -> None:
    with fedface_up(tmp_path) as (process, _):
        assert len(marked(tmp_path)) > 8  # the workers' own processes and the reaper too
        process.kill()
        process.wait()
        assert all_gone(tmp_path), marked(tmp_path)


def test_a_worker_that_dies_is_named_and_ends_the_stack(tmp_path: Path) -> None:
    with fedface_up(tmp_path) as (process, _):
        children = psutil.Process(process.pid).children()
        (evaluator,) = (child for child in children if "fedface_evaluator" in child.cmdline())
        evaluator.kill()
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "evaluator ended with status -9" in err
        assert all_gone(tmp_path), marked(tmp_path)
