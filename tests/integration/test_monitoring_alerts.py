"""The alert rules, tested by Prometheus's own tool: each fires when it should, and only then."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROMETHEUS = Path(__file__).parents[2] / "deploy/prometheus"


@pytest.fixture
def promtool() -> str:
    binary = shutil.which("promtool")
    if binary is None:
        missing = "no promtool on PATH (Debian: apt-get install prometheus)"
        if "prometheus" in os.environ.get("FEDFACE_REQUIRE", ""):
            pytest.fail(missing)
        pytest.skip(missing)
    return binary


def run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_configuration_is_valid(promtool: str) -> None:
    run(promtool, "check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_each_alert_fires_when_it_should(promtool: str) -> None:
    run(promtool, "test", "rules", str(PROMETHEUS / "alerts_test.yml"))


def test_a_threshold_that_moved_is_noticed(promtool: str, tmp_path: Path) -> None:
    """The tests of the rules can fail: if one rule never fires, they do."""
    for name in ("alerts.yml", "alerts_test.yml"):
        (tmp_path / name).write_text(
            (PROMETHEUS / name).read_text().replace("fedface_dependency_up) == 0", "vector(1)) == 0")
        )
    answer = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "alerts_test.yml")], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode != 0
    assert "DependencyUnreachable" in answer.stdout + answer.stderr
