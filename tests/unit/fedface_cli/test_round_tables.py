"""The rounds of a run, and the report of one, on a terminal and in a pipe."""

from __future__ import annotations

import json

import pytest

from fedface_cli.round_tables import report_table, rounds_table
from fedface_core.contracts.http import RoundView
from fedface_core.domain.results import RocCurve, VerificationReport
from support.api_answers import NOW, RUN
from support.api_by_hand import MODEL_SHA256, ByHand, scores_of
from support.command_line import Invoke, terminal


def report() -> VerificationReport:
    roc = RocCurve(far=[0.0, 1.0], tar=[0.0, 1.0])
    thresholds = {"1e-1": 0.25, "1e-2": None}
    return VerificationReport(
        run_id=RUN, round=3, model_sha256="a" * 64, scores=scores_of(3), roc=roc, thresholds=thresholds
    )


def test_a_report_on_a_terminal_is_short() -> None:
    console = terminal()
    console.print(report_table(report(), console))
    shown = console.export_text()
    assert "a" * 12 in shown
    assert "a" * 13 not in shown
    assert "TAR@1e-4         unresolved: too few impostor pairs" in shown
    assert "TAR@1e-1         83.00 %, from cosine +0.250" in shown
    assert shown.count("from cosine") == 1


def test_a_round_without_results_has_dashes() -> None:
    console = terminal()
    times = {"opened_at": NOW, "deadline_at": NOW, "closed_at": None, "finished_at": None}
    counts = {"invited": 4, "accepted": 1, "failed": {}}
    view = {"number": 0, "phase": "open", "model_sha256": "a" * 64, "aggregation": None, "scores": None}
    console.print(rounds_table([RoundView.model_validate(view | counts | times)], console))
    assert console.export_text().splitlines()[1].split() == ["0", "open", "1", "4", "0", "0", "–", "–", "–"]


def test_rounds_in_a_pipe_are_whole(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    run = api.completed()
    code, out, _ = fedface("round", "list", run)
    assert (code, len(out.splitlines())) == (0, 4)
    assert out.splitlines()[2].split() == ["1", "finished", "3", "3", "0", "0", "0.9100", "9.00", "%", MODEL_SHA256]
    assert len(json.loads(fedface("round", "list", run, "--json")[1])["rounds"]) == 3


def test_the_newest_report_is_the_default(fedface: Invoke, api: ByHand) -> None:
    run = api.completed()
    code, out, _ = fedface("round", "report", run)
    assert (code, out.splitlines()[0].split()) == (0, ["round", "2"])
    assert MODEL_SHA256 in out
    assert fedface("round", "report", run, "0")[1].splitlines()[0].split() == ["round", "0"]


def test_a_run_without_rounds_or_scores_says_so(fedface: Invoke, api: ByHand) -> None:
    run = api.created()
    assert f"{run} has no round yet" in fedface("round", "list", run)[2]
    code, _, err = fedface("round", "report", run)
    assert (code, f"no round of {run} is scored yet" in err) == (4, True)
