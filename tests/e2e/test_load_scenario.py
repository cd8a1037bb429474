"""The load test itself, with few clients: that it runs to its end and reports what it says it reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def load(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest.thousand_clients", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)


def test_the_scenario_reports_rounds_latency_and_memory(tmp_path: Path) -> None:
    ended = load("--clients", "6", "--limit-seconds", "120", "--json", str(tmp_path / "report.json"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert [(figures["round"], figures["accepted"], figures["failed"]) for figures in report["rounds"]] == [
        (0, 6, 0),
        (1, 6, 0),
        (2, 6, 0),
    ]
    assert all(figures["updates_per_second"] > 0 for figures in report["rounds"])
    latency = report["api_latency_ms"]
    assert latency["requests"] > 0
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert set(report["peak_rss_mib"]) == {"valkey", "api", "client", "aggregator", "evaluator", "control"}
    assert all(mebibytes > 0 for mebibytes in report["peak_rss_mib"].values())
    assert "updates/s" in ended.stdout


def test_a_plan_that_can_not_be_is_refused_without_a_traceback() -> None:
    ended = load("--clients", "0")
    assert ended.returncode == 1
    assert "split.clients" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_report_that_can_not_be_written_is_refused_at_once(tmp_path: Path) -> None:
    ended = load("--json", str(tmp_path / "nowhere" / "report.json"))
    assert ended.returncode == 2
    assert "there is no directory" in ended.stderr
