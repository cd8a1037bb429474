"""The chaos scenario, short: every kind of fault, and the same model. `make chaos` runs the long one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(600)  # a minute and a half of work, perhaps on a busy machine


def chaos(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fedface_cli.main", "bench", "chaos", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=580)


def test_whatever_is_killed_the_model_is_the_same(tmp_path: Path) -> None:
    where = ("--json", str(tmp_path / "chaos.json"), "--logs", str(tmp_path / "logs"))
    ended = chaos("--clients", "8", "--rounds", "2", "--kills", "8", "--seed", "1", "--limit-seconds", "250", *where)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "chaos.json").read_text())
    assert report["passed"]
    assert all(check["passed"] for check in report["checks"])
    assert report["model_sha256"]["storm"] == report["model_sha256"]["peace"]
    assert sum(report["faults"]["kill"].values()) == sum(report["kills_by_place"].values()) == 8
    assert all(report["faults"][fault] for fault in ("kill", "duplicate", "delay", "freeze", "cut"))
    assert (tmp_path / "logs" / "storm" / "client.log").stat().st_size > 0


def test_a_run_that_takes_too_long_fails_with_what_the_services_said(tmp_path: Path) -> None:
    options = ("--artifacts", "directory", "--limit-seconds", "0", "--json", str(tmp_path / "chaos.json"))
    ended = chaos("--clients", "8", "--rounds", "2", *options)
    assert ended.returncode == 1
    assert "the run has not ended after 0 s" in ended.stdout
    assert "control.log" in ended.stdout
    assert "Traceback" not in ended.stderr
    assert json.loads((tmp_path / "chaos.json").read_text())["passed"] is False


@pytest.mark.parametrize(
    ("options", "status", "complaint"),
    [
        (("--clients", "0"), 1, "split.clients"),
        (("--kills", "-1"), 2, "--kills"),
        (("--json", "nowhere/report.json"), 2, "there is no directory"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_starts(options: tuple[str, ...], status: int, complaint: str) -> None:
    ended = chaos(*options)
    assert ended.returncode == status
    assert complaint in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
