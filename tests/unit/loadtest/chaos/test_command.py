"""`fedface bench chaos` refuses impossible options before anything starts, and reports a run that did not complete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from loadtest.chaos.report import ChaosOptions, ChaosReport
from loadtest.chaos.trial import ChaosError
from support.command_line import Invoke


@pytest.mark.parametrize(
    ("options", "status", "complaint"),
    [
        (("--clients", "0"), 1, "split.clients"),
        (("--kills", "-1"), 2, "--kills"),
        (("--json", "nowhere/report.json"), 2, "there is no directory"),
    ],
)
def test_impossible_options_are_refused_before_anything_starts(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], status: int, complaint: str
) -> None:
    monkeypatch.setattr("loadtest.chaos.scenario.run_fault_free", lambda *_: pytest.fail("a stack was started"))
    ended, out, err = fedface("bench", "chaos", *options)
    assert ended == status
    assert complaint in out + err
    assert "Traceback" not in out + err


def test_a_run_that_did_not_complete_is_reported_with_status_1(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[ChaosOptions] = []

    def give_up(options: ChaosOptions, limit_seconds: float, logs: Path | None, console: Console) -> ChaosReport:
        asked.append(options)
        raise ChaosError(f"the run has not ended after {limit_seconds:.0f} s")

    monkeypatch.setattr("loadtest.chaos.scenario.run_scenario", give_up)
    file = tmp_path / "chaos.json"
    options = ("--clients", "8", "--artifacts", "directory", "--limit-seconds", "7", "--json", str(file))
    ended, out, _ = fedface("bench", "chaos", *options)
    assert ended == 1
    assert "the run has not ended after 7 s" in out
    assert json.loads(file.read_text()) == {"passed": False, "error": "the run has not ended after 7 s"}
    assert (asked[0].clients, asked[0].artifacts) == (8, "directory")
