"""Numbers, times and phases of runs as text for the terminal."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

from fedface_core.contracts.http import RunSummary
from fedface_core.domain.failures import StepFailure
from fedface_core.domain.free_text import cut, one_line
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_core.domain.run import RunPhase

PHASE_STYLES: Final = {
    RunPhase.CREATED: "dim",
    RunPhase.PREPARING: "cyan",
    RunPhase.RUNNING: "cyan",
    RunPhase.PAUSING: "yellow",
    RunPhase.PAUSED: "yellow",
    RunPhase.COMPLETED: "green",
    RunPhase.FAILED: "red",
    RunPhase.CANCELLED: "yellow",
    RunPhase.DELETING: "red",
}

_READABLE: Final = 1e6
_MOST_CHARACTERS: Final = 200


def percent(share: float | None) -> str:
    """A share (0 to 1) in per cent: ``93.30 %``; a dash for None."""
    return "–" if share is None else f"{100 * share:.2f} %"


def cosine(value: float) -> str:
    """A cosine, always with its sign: ``+0.123``."""
    return f"{value:+.3f}"


def counted(number: int, noun: str) -> str:
    """A number and its noun: ``1 round``, ``2 rounds``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def large(value: int) -> str:
    """A count that may have many digits: ``12,000`` below a million, ``3.4e+12`` above."""
    return f"{value:,}" if value < _READABLE else f"{value:.2g}"


def field_value(value: object) -> str:
    """The value of a plan's field for a table, on one line; a dash where a plan has no such field."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
    return one_line(cut(text, _MOST_CHARACTERS))


def local_minute(at: datetime | None) -> str:
    """A date and time to the minute, in the reader's time zone; a dash for None."""
    return "–" if at is None else _local(at).strftime("%Y-%m-%d %H:%M")


def local_second(at: str) -> str:
    """A date and time to the second, in the reader's time zone, from the ISO 8601 text of an event."""
    return _local(datetime.fromisoformat(at)).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """A duration in minutes and seconds, or with hours: ``4:12``, ``1:04:12``. Negative durations are shown as zero."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def progress(run: RunSummary) -> str:
    """The current round, and how many training rounds have finished: the two numbers differ if rounds were abandoned."""
    if run.round is None:
        return f"no round yet, {run.rounds} planned"
    current = "enrolment" if run.round == ENROLMENT_ROUND else f"round {run.round}"
    return f"{current}, {run.finished_rounds} of {run.rounds} finished"


def named_stragglers(run: RunSummary, names: int) -> str:
    """The clients that the open round waits for, ``names`` of them by name: ``client-000003, client-000007 and 4 more``."""
    named = run.waiting_for[:names]
    others = run.unsettled - len(named)
    return ", ".join(named) + (f" and {others} more" if others else "")


def phase_with_reason(run: RunSummary) -> str:
    """The run's phase, and why it failed or completed: ``failed: round 3: no disk``."""
    why = run.failure or run.stopped_because
    return one_line(f"{run.phase}: {why}") if why else str(run.phase)


def failing_line(failing: StepFailure) -> str:
    """A step that fails: ``aggregator.reduce_round: 3 failures, the newest at 14:05: RuntimeError: no memory``."""
    times = counted(failing.total, "failure")
    return one_line(f"{failing.step}: {times}, the newest at {_local(failing.at):%H:%M}: {failing.reason}")


def status_line(run: RunSummary) -> str:
    """The run's phase, and what happens or can be done next, in one line."""
    phase, then = _status(run)
    return f"{run.id} is {phase}; {then}"


def _local(at: datetime) -> datetime:
    """The moment in the reader's time zone, or as it is at the ends of the calendar, where it has none there."""
    try:
        return at.astimezone()
    except OverflowError:
        return at


def _status(run: RunSummary) -> tuple[str, str]:
    match run.phase:
        case RunPhase.CREATED:
            return "created", f"start it with: fedface run start {run.id}"
        case RunPhase.PREPARING | RunPhase.RUNNING:
            position = "" if run.round is None else f" ({progress(run)})"
            return f"{run.phase}{position}", f"see it with: fedface run watch {run.id}"
        case RunPhase.PAUSING:
            last = "its model is prepared" if run.round is None else f"round {run.round} has finished"
            return f"pausing, and paused once {last}", f"take that back with: fedface run resume {run.id}"
        case RunPhase.PAUSED:
            return f"paused ({progress(run)})", f"continue it with: fedface run resume {run.id}"
        case RunPhase.COMPLETED:
            return phase_with_reason(run), f"fetch its model with: fedface model download {run.id}"
        case RunPhase.FAILED:
            return phase_with_reason(run), f"try again with: fedface run clone {run.id} --set FIELD=VALUE --start"
        case RunPhase.CANCELLED:
            return "cancelled, and its artifacts stay", f"remove them with: fedface run delete {run.id}"
        case RunPhase.DELETING:
            return "deleting", "the sweep removes its artifacts, then its records"
