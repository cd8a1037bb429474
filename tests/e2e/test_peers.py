"""`fedface bench peers` at its smallest: the limit, and FedFace in one process, which need no other environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_limit_and_ours_do_equal_work_and_are_compared(tmp_path: Path) -> None:
    markdown_file = tmp_path / "peers.md"
    plot_file = tmp_path / "peers.png"
    command = [sys.executable, "-m", "fedface_cli.main", "bench", "peers", "--size", "tiny"]
    systems = [
        "--systems",
        "bare-loop,bare-loop-channels-last,ours-in-process,ours-combined",
        "--repetitions",
        "1",
        "--rounds",
        "2",
    ]
    files = ["--json", "--markdown", str(markdown_file), "--plot", str(plot_file)]
    ended = subprocess.run([*command, *systems, *files], capture_output=True, text=True, check=False, timeout=280)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    limit, channels_last, ours, combined = report["systems"]
    assert report["clients"] == 6
    assert report["rounds"] == 2
    for system in (limit, channels_last, ours, combined):
        assert system["largest_difference"] < 1e-5
        assert all(seconds > 0 for repetition in system["rounds"] for seconds in repetition)
        assert 0 < system["start_seconds"]["values"][0] < 280
    assert set(ours["speeds"]) == {"bare-loop", "bare-loop-channels-last"}
    assert "ours-in-pro" in ended.stderr
    assert "| FedFace, 1 process |" in markdown_file.read_text()
    assert plot_file.stat().st_size > 1000
