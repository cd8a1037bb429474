"""The report of the chaos scenario: it fails with any check, and its tables name every fault and every check."""

from __future__ import annotations

from io import StringIO

from fedface_cli.plain_console import PlainConsole
from loadtest.chaos.adversary import FaultKind
from loadtest.chaos.checks import Check
from loadtest.chaos.report import ChaosOptions, ChaosReport, FaultFigures, show

REPORT = ChaosReport(
    passed=False,
    options=ChaosOptions(preset="synthetic", clients=8, rounds=2, kills=1, seed=7, artifacts="s3"),
    model_sha256={"peace": "0" * 64, "storm": "1" * 64},
    seconds={"peace": 1.5, "storm": 60.0},
    faults={"kill": {"client": 1}, "cut": {}},
    kills_by_place={"round 1, open": 1},
    checks=(Check("the run finishes", True, {"rounds": 2}), Check("no process is left", False, {"started_groups": 3})),
    deeds=(FaultFigures(at="2026-01-01T00:00:00+00:00", fault=FaultKind.KILL, target="client", place="round 1, open"),),
)


def test_both_tables_are_printed() -> None:
    printed = StringIO()
    show(REPORT, PlainConsole(file=printed, width=160))
    text = " ".join(printed.getvalue().split())
    assert "seed 7: 1.5 s without faults, 60.0 s disturbed" in text
    assert "kill │ 1 │ client 1" in text
    assert "kills by where the run was: round 1, open 1" in text
    assert "✓ │ the run finishes │ rounds 2" in text
    assert "✗ │ no process is left │ started groups 3" in text


def test_it_is_read_back_from_json_as_it_was_written() -> None:
    assert ChaosReport.model_validate_json(REPORT.model_dump_json()) == REPORT
