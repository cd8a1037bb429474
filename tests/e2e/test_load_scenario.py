"""`fedface bench control` and `fedface bench start` themselves, small: they run to their end and report what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fedface_cli.main", "bench", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


def test_control_reports_rounds_latency_and_what_each_process_used(tmp_path: Path) -> None:
    report_file, plot = tmp_path / "report.json", tmp_path / "growth.png"
    ended = bench("control", "--growth", "3,6", "--limit-seconds", "120", "--json", str(report_file), "--plot", str(plot))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(report_file.read_text())
    assert [load["clients"] for load in report["loads"]] == [3, 6]
    for load in report["loads"]:
        rounds = load["rounds"]
        assert [(each["round"], each["accepted"], each["failed"]) for each in rounds] == [
            (number, load["clients"], 0) for number in range(4)
        ]
        assert all(0 < each["opening_seconds"] < each["open_seconds"] for each in rounds)
        assert [each["turnover_seconds"] is None for each in rounds] == [False, False, False, True]
        assert load["api_requests"] > 0
        assert 0 < load["api_ms"]["p50"] <= load["api_ms"]["p95"] <= load["api_ms"]["p99"]
        processes = {"valkey", "api", "client", "aggregator", "evaluator", "control"}
        assert load["peak_mib"].keys() == load["cpu_seconds"].keys() == processes
        assert all(value > 0 for used in (load["peak_mib"], load["cpu_seconds"]) for value in used.values())
    assert report["growth"]["factor_seconds"] > 0
    assert plot.stat().st_size > 1000
    assert "updates/s" in ended.stdout


def test_start_times_whole_processes(tmp_path: Path) -> None:
    ended = bench("start", "--repetitions", "1", "--json", str(tmp_path / "start.json"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seconds = json.loads((tmp_path / "start.json").read_text())["seconds"]
    (shown,), (ready,) = seconds["fedface --help"]["values"], seconds["fedface up, until ready"]["values"]
    assert 0 < shown < ready
