"""When a round took its turns, from the log of control's worker: one clock, to the microsecond."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

_TURNS = ("round_opened", "round_closed", "round_aggregated", "round_finished")

Moments = dict[tuple[str, int], datetime]


def read_moments(log: Path) -> Moments:
    """The first moment of each turn, and of the last task published to an open round's clients, by name and round."""
    moments: Moments = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        if not line.startswith("{"):
            continue  # of a library that does not use our logs
        record = json.loads(line)
        turn = record.get("event")
        if turn == "commands_published" and record["phase"] == "open":
            turn = "tasks_published"
        elif turn not in _TURNS:
            continue
        moments.setdefault((turn, record["round"]), datetime.fromisoformat(record["timestamp"]))
    return moments
