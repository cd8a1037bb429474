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
        (("--clients", "0"), 2, "split.clients"),
        (("--kills", "-1"), 2, "--kills"),
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


def test_a_run_that_did_not_complete_is_reported_with_status_1(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ChaosOptions] = []

    def give_up(options: ChaosOptions, limit_seconds: float, logs: Path | None, console: Console) -> ChaosReport:
        asked.append(options)
        raise ChaosError(f"the run has not ended after {limit_seconds:.0f} s")

    monkeypatch.setattr("loadtest.chaos.scenario.run_scenario", give_up)
    options = ("--clients", "8", "--artifacts", "directory", "--limit-seconds", "7")
    assert fedface("bench", "chaos", *options) == (1, "", "error: the run has not ended after 7 s\n")
    assert (asked[0].clients, asked[0].artifacts) == (8, "directory")
    ended, out, err = fedface("bench", "chaos", *options, "--json")
    assert (ended, out, json.loads(err)["detail"]) == (1, "", "the run has not ended after 7 s")


@pytest.mark.parametrize("passed", [True, False])
def test_the_report_is_one_document_and_its_tables_are_talk(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, passed: bool
) -> None:
    report = ChaosReport(
        passed=passed,
        options=ChaosOptions(preset="synthetic", clients=8, rounds=1, kills=0, seed=0, artifacts="s3"),
        model_sha256={"peace": "a" * 64, "storm": "a" * 64},
        seconds={"peace": 1.0, "storm": 2.0},
        faults={},
        kills_by_place={},
        checks=(),
        deeds=(),
    )
    monkeypatch.setattr("loadtest.chaos.scenario.run_scenario", lambda *_: report)
    ended, out, err = fedface("bench", "chaos", "--json")
    assert ended == (0 if passed else 1)
    assert ChaosReport.model_validate_json(out) == report
    assert "what must hold" in err
