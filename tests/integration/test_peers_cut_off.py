"""`fedface bench peers` that is told to end, or whose time is up, reports what was measured until then."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtest.peers.measure import Repetition
from support.command_line import Invoke
from support.peer_figures import repetition

# Takes the place of the runners, as `torchrun` does. The variant says whether it gives a result or hangs.
FAKE_PEER = """
import sys, time
from pathlib import Path

_module, _runner, variant, _workload, rounds, result = sys.argv[1:]
if variant == "hangs":
    Path(__file__).with_name("hangs").touch()
    time.sleep(600)
import torch
from loadtest.peers.runner_result import RunnerResult, write_runner_result

now = time.time()
moments = tuple(now + 2 * number for number in range(int(rounds) + 1))
write_runner_result(RunnerResult(moments, {"weight": torch.ones(2)}, "2.13.0"), result)
"""
# The command with two systems more, one of which gives a result.
COMMAND = """
import signal, sys
from loadtest.peers.systems import SYSTEMS, System

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control has children ignore it
for name in ("good", "hangs"):
    SYSTEMS[name] = System(
        name, f"a peer that is {name}", "none", name, launcher=("fake_peer",), variables={"PYTHONPATH": sys.path[0]}
    )
from fedface_cli.main import main

sys.argv[0] = "fedface"
main()
"""


@pytest.mark.long
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_was_measured_before_a_signal_is_reported(tmp_path: Path, number: signal.Signals, status: int) -> None:
    (tmp_path / "fake_peer.py").write_text(FAKE_PEER)
    script = tmp_path / "command.py"
    script.write_text(COMMAND.replace("sys.path[0]", repr(f"{tmp_path}:{':'.join(filter(None, sys.path))}")))
    files = ["--markdown", str(tmp_path / "peers.md"), "--plot", str(tmp_path / "peers.png")]
    options = ["bench", "peers", "--size", "tiny", "--systems", "good,hangs", "--json", *files]
    with subprocess.Popen(
        [sys.executable, str(script), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / "hangs").exists():  # its turn comes after the good one's
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    report = json.loads(out)
    assert [(system["name"], system["rounds"]) for system in report["systems"]] == [("good", [[2.0, 2.0]])]
    assert report["unavailable"] == {"hangs": "the command was told to end, before its turn"}
    assert "was cut off: the command was told to end" in (tmp_path / "peers.md").read_text()
    assert (tmp_path / "peers.png").stat().st_size > 1000


def test_what_was_measured_within_the_time_is_reported(
    fedface: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    limits: list[float] = []

    def takes_four_minutes(*arguments: Any) -> Repetition:
        nonlocal now
        limits.append(arguments[-1])
        now += 240
        return repetition(1.0)

    monkeypatch.setattr("loadtest.peers.command.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("loadtest.peers.measure.measure", takes_four_minutes)
    options = ("--size", "tiny", "--systems", "bare-loop,ours", "--minutes", "9", "--limit-seconds", "200")
    status, out, _ = fedface("bench", "peers", *options, "--markdown", str(tmp_path / "peers.md"), "--json")
    report = json.loads(out)
    assert status == 0
    assert report["cut_off"] == "9 minutes were over"
    assert [len(system["rounds"]) for system in report["systems"]] == [2, 1]
    assert limits == [200, 200, 60], "no system may take longer than what is left"
    assert "Repetitions of each system: bare-loop 2, ours 1" in (tmp_path / "peers.md").read_text()
