"""The chaos scenario, short: every kind of fault, and the fault-free model. `make chaos` runs the long one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # a minute and a half of work, perhaps on a busy machine


@pytest.mark.parametrize(("preset", "clients", "rounds"), [("synthetic", 8, 2), ("combined", 24, 2), ("masked", 32, 1)])
def test_whatever_is_killed_the_model_is_the_same(preset: str, clients: int, rounds: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fedface_cli.main", "bench", "chaos", "--preset", preset, "--limit-seconds", "400"]
    plan = ["--clients", str(clients), "--rounds", str(rounds), "--kills", "6", "--seed", "1"]
    files = ["--json", "--logs", str(tmp_path / "logs")]
    ended = subprocess.run([*command, *plan, *files], capture_output=True, text=True, check=False, timeout=880)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    assert report["passed"]
    assert all(check["passed"] for check in report["checks"])
    assert report["model_sha256"]["storm"] == report["model_sha256"]["peace"]
    assert sum(report["faults"]["kill"].values()) == sum(report["kills_by_place"].values()) == 6
    faults = ("kill", "duplicate", "delay", "freeze", "cut", "fill", "clock", "refusal")
    assert all(report["faults"][fault] for fault in faults)
    assert (tmp_path / "logs" / "storm" / "client.log").stat().st_size > 0
