"""`fedface up` with the real services: it starts, it stops in order, and it leaves no process however it ends."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from support.local_stack import fedface_up
from support.servers import wait_for

pytestmark = pytest.mark.timeout(600)  # three processes import torch, perhaps on a busy machine


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


@pytest.mark.traced_processes
def test_what_ends_is_started_again_and_an_interrupt_stops_everything(tmp_path: Path) -> None:
    with fedface_up(tmp_path) as (process, url):
        assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200
        (valkey,) = (child for child in psutil.Process(process.pid).children() if "valkey-server" in child.name())
        valkey.kill()
        assert process.stdout is not None
        while "valkey ended with status -9 and is started again" not in (line := process.stdout.readline()):
            assert line, "it ended"
        wait_for("the API's ledger", lambda: httpx.get(f"{url}/readyz", timeout=30).status_code == 200)
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


def test_a_kill_leaves_no_process(tmp_path: Path) -> None:
    with fedface_up(tmp_path) as (process, _):
        assert len(marked(tmp_path)) > 8  # the workers' own processes and the reaper too
        process.kill()
        process.wait()
        assert all_gone(tmp_path), marked(tmp_path)
