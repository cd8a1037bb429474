"""`fedface bench gpu` in its tiny form on the CPU, with the services it starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import Invoke

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def test_it_measures_the_stack_and_says_that_pfl_research_is_not_there(fedface: Invoke, tmp_path: Path) -> None:
    options = ["--device", "cpu", "--tiny", "--repetitions", "1", "--environments", str(tmp_path), "--json"]
    status, out, err = fedface("bench", "gpu", *options)
    assert status == 0, err
    report = json.loads(out)
    goals = [speed["goal"] and speed["goal"]["times_as_fast"] for speed in report["speeds"]]
    assert goals == [40, 4, 20, 0.8, None, 8, None]
    assert all(min(speed["seconds"]["values"]) > 0 for speed in report["speeds"])
    assert all(check["holds"] for check in report["checks"])
    assert {goal["outcome"] for goal in report["goals"]} == {"not measured"}, "for a CPU no goal is set"
    assert len(report["left_out"]) == 2
