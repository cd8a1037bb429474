"""`fedface bench start` measures in turns, and reports and prints what it measured."""

from __future__ import annotations

import pytest

from loadtest.bench.start_times import StartReport
from support.command_line import Invoke


def test_every_start_is_reported(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.5, 8.0, 0.75, 9.0])
    measures = {"fedface --help": lambda: next(seconds), "fedface up, until ready": lambda: next(seconds)}
    monkeypatch.setattr("loadtest.bench.start_times.MEASURES", measures)
    status, out, err = fedface("bench", "start", "--repetitions", "2", "--json")
    assert status == 0
    report = StartReport.model_validate_json(out)
    assert {name: repeated.values for name, repeated in report.seconds.items()} == {
        "fedface --help": (0.5, 0.75),
        "fedface up, until ready": (8.0, 9.0),
    }
    assert "8.5 [8, 9]" in err
