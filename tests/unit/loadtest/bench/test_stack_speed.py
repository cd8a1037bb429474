"""`fedface bench simulate` says what it measured in one document, and as a table beside it."""

from __future__ import annotations

import pytest

from loadtest.bare import BARE_LOOP
from loadtest.bench import stack_speed
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated
from loadtest.bench.stack_speed_report import StackSpeedReport
from support.command_line import Invoke


def test_the_report_is_one_document(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    report = StackSpeedReport(
        machine=this_machine(),
        clients=4,
        processes=1,
        artifacts="directory",
        round_seconds={BARE_LOOP: Repeated(values=(1.0,)), "FedFace": Repeated(values=(2.0,))},
        step_ms={"train": 3.0},
    )
    monkeypatch.setattr(stack_speed, "measure_systems", lambda *_: report)
    status, out, err = fedface("bench", "simulate", "--json")
    assert (status, "mean ms of a client's steps: train 3.00" in err) == (0, True)
    assert StackSpeedReport.model_validate_json(out).round_seconds == report.round_seconds
