"""`fedface bench control` on real services: few clients, once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # half a minute of work, perhaps on a busy machine


def test_it_reports_rounds_latency_and_what_each_process_used() -> None:
    command = [sys.executable, "-m", "fedface_cli.main", "bench", "control"]
    options = ["--clients", "6", "--limit-seconds", "250", "--json"]
    ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=580)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    (load,) = report["loads"]
    rounds = load["rounds"]
    assert [(each["round"], each["accepted"], each["failed"]) for each in rounds] == [(number, 6, 0) for number in range(4)]
    assert all(0 < each["opening_seconds"] < each["open_seconds"] for each in rounds)
    assert [each["turnover_seconds"] is None for each in rounds] == [False, False, False, True]
    assert load["api_requests"] > 0
    assert 0 < load["api_ms"]["p50"] <= load["api_ms"]["p95"] <= load["api_ms"]["p99"]
    processes = {"valkey", "control", "client", "aggregator", "evaluator", "sweep"}
    assert load["peak_mib"].keys() == load["cpu_seconds"].keys() == processes
    assert all(value > 0 for used in (load["peak_mib"], load["cpu_seconds"]) for value in used.values())
    assert report["growth"] is None
    assert "updates/s" in ended.stderr
