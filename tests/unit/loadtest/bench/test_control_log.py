"""Moments are read from control's log: the first of each event, and of the last task that was published."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from loadtest.bench.control_log import read_event_times


def test_the_first_moment_of_each_event_is_read(tmp_path: Path) -> None:
    def line(event: str, second: int, **more: object) -> str:
        return json.dumps({"event": event, "timestamp": f"2026-01-01T00:00:{second:02}.000001Z", **more})

    log = tmp_path / "control.log"
    lines = [
        "a line of somebody else",
        line("round_opened", 1, round=1),
        line("commands_published", 2, round=1, phase="open"),
        line("round_closed", 3, round=1),
        line("commands_published", 4, round=1, phase="aggregating"),
        line("commands_published", 5, round=1, phase="open"),  # a repetition
        line("worker_ready", 6),
    ]
    log.write_text("\n".join(lines))
    times = read_event_times(log)
    assert set(times) == {("round_opened", 1), ("tasks_published", 1), ("round_closed", 1)}
    assert times["tasks_published", 1] - times["round_opened", 1] == timedelta(seconds=1)
