"""The benchmark beside the peers, at its smallest: the limit and ours in one process, which need no other environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fedface_cli.main", "bench", "peers", "--size", "tiny", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)


def test_limit_and_ours_do_the_same_work_and_are_compared(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("peers.json", "peers.md", "peers.png")]
    ended = bench(
        "--systems", "bare-loop,bare-loop-channels-last,ours-in-process", "--repetitions", "1", "--rounds", "2",
        "--json", str(files[0]), "--markdown", str(files[1]), "--plot", str(files[2]),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(files[0].read_text())
    limit, channels_last, ours = report["systems"]
    assert report["clients"] == 6
    assert report["rounds"] == 2
    for system in (limit, channels_last, ours):
        assert system["largest_difference"] < 1e-5
        assert all(seconds > 0 for repetition in system["rounds"] for seconds in repetition)
        assert 0 < system["start_seconds"]["values"][0] < 280
    assert set(ours["speeds"]) == {"bare-loop", "bare-loop-channels-last"}
    assert "ours-in-pro" in ended.stdout
    assert "| FedFace, 1 process |" in files[1].read_text()
    assert files[2].stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--systems", "horse"), "--systems 'horse': give some of bare-loop"),
        (("--systems", "ours,ours"), "each once"),
        (("--repetitions", "0"), "--repetitions"),
        (("--size", "huge"), "--size"),
    ],
)
def test_wrong_options_are_refused_at_once(options: tuple[str, ...], complaint: str) -> None:
    ended = bench(*options)
    assert ended.returncode == 2
    assert complaint in ended.stderr


def test_a_report_that_can_not_be_written_is_refused_at_once(tmp_path: Path) -> None:
    ended = bench("--json", str(tmp_path / "nowhere" / "report.json"))
    assert ended.returncode == 1
    assert "there is no directory" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
