"""When the phases of each round changed, read from the log of control's worker: one clock, to the microsecond."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

_PHASE_EVENTS = ("round_opened", "round_closed", "round_aggregated", "round_finished")

EventTimes = dict[tuple[str, int], datetime]
"""(Event, number of the round) → its moment."""


def read_event_times(log: Path) -> EventTimes:
    """Read the first moment of each event that changes a round's phase.

    Beside these, ``tasks_published`` is the moment at which the last task of an open round's clients was first published.
    """
    times: EventTimes = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        if not line.startswith("{"):
            continue  # of a library that does not use our logs
        record = json.loads(line)
        event = record.get("event")
        if event == "commands_published" and record["phase"] == "open":
            event = "tasks_published"
        elif event not in _PHASE_EVENTS:
            continue
        times.setdefault((event, record["round"]), datetime.fromisoformat(record["timestamp"]))
    return times
