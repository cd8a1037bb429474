"""The share of the loop is its round time divided by a system's, repetition by repetition; JSON has it."""

from __future__ import annotations

import json

from loadtest.bare import BARE_LOOP
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated
from loadtest.bench.stack_speed_report import StackSpeedReport


def test_the_share_of_the_loop_is_taken_within_a_repetition() -> None:
    report = StackSpeedReport(
        machine=this_machine(),
        clients=4,
        processes=1,
        artifacts="directory",
        round_seconds={BARE_LOOP: Repeated(values=(1.0, 2.0)), "FedFace": Repeated(values=(2.0, 2.0))},
        step_ms={"train": 3.0},
    )
    assert report.share_of_the_loop["FedFace"].values == (0.5, 1.0)
    assert report.share_of_the_loop[BARE_LOOP].values == (1.0, 1.0)
    assert json.loads(report.model_dump_json())["share_of_the_loop"]["FedFace"]["values"] == [0.5, 1.0]
