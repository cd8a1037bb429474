"""`fedface bench simulate` says what it measured in one document, and as a table beside it."""

from __future__ import annotations

import pytest

from loadtest.bare import BARE_LOOP
from loadtest.bench import stack_speed
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated
from loadtest.bench.stack_cpu import IN_ALL
from loadtest.bench.stack_speed_report import StackSpeedReport
from support.command_line import Invoke


@pytest.mark.parametrize("with_cpu", [False, True])
def test_the_report_is_one_document(fedface: Invoke, monkeypatch: pytest.MonkeyPatch, with_cpu: bool) -> None:
    report = StackSpeedReport(
        machine=this_machine(),
        clients=4,
        processes=1,
        artifacts="directory",
        round_seconds={BARE_LOOP: Repeated(values=(1.0,)), "FedFace": Repeated(values=(2.0,))},
        step_ms={"train": 3.0},
        cpu_ms={"FedFace": {"aggregator": Repeated(values=(2.5, 3.5)), IN_ALL: Repeated(values=(4.0, 5.0))}}
        if with_cpu
        else {},
    )
    asked: list[bool] = []

    def measured(*_: object, with_cpu: bool) -> StackSpeedReport:
        asked.append(with_cpu)
        return report

    monkeypatch.setattr(stack_speed, "measure_systems", measured)
    status, out, err = fedface("bench", "simulate", "--json", *(["--cpu"] if with_cpu else []))
    assert (status, "mean ms of a client's steps: train 3.00" in err) == (0, True)
    assert asked == [with_cpu]
    assert ("3 [2.5, 3.5]" in err) is with_cpu
    read = StackSpeedReport.model_validate_json(out)
    assert (read.round_seconds, read.cpu_ms) == (report.round_seconds, report.cpu_ms)
