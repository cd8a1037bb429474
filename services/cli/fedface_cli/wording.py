"""How the terminal words what the API says."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fedface_core.contracts.http import RunSummary
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


def percent(share: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.2f} %"


def cosine(value: float) -> str:
    """A cosine, with its sign kept in line."""
    return f"{value:+.3f}"


def counted(number: int, noun: str) -> str:
    """A number and its noun: ``1 round``, ``2 rounds``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moment(at: datetime | None) -> str:
    """A time of day on a date, in the reader's zone; a dash where there is none."""
    return "–" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M")


def second(at: str) -> str:
    """A moment as events carry it (ISO 8601), to the second and in the reader's zone."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """A span of time as a clock shows it: ``4:12``, ``1:04:12``; nothing below zero."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def progress(run: RunSummary) -> str:
    """Which round it is, and how many have finished. The two differ where rounds were abandoned."""
    if run.round is None:
        return f"no round yet, {run.rounds} planned"
    current = "enrolment" if run.round == ENROLMENT_ROUND else f"round {run.round}"
    return f"{current}, {run.finished_rounds} of {run.rounds} finished"


def waited_for(run: RunSummary, names: int) -> str:
    """Whom the open round waits for, the first few by name: ``client-000003, client-000007 and 4 more``."""
    named = run.waiting_for[:names]
    others = run.unsettled - len(named)
    return ", ".join(named) + (f" and {others} more" if others else "")


def ending(run: RunSummary) -> str:
    """How a run ended, and why."""
    why = run.failure or run.stopped_because
    return f"{run.phase}: {why}" if why else str(run.phase)


def what_next(run: RunSummary) -> str:
    """What the run now is and what comes next, in one line."""
    match run.phase:
        case RunPhase.CREATED:
            now, then = "created", f"start it with: fedface run start {run.id}"
        case RunPhase.PREPARING | RunPhase.RUNNING:
            where = "" if run.round is None else f" ({progress(run)})"
            now, then = f"{run.phase}{where}", f"see it with: fedface run watch {run.id}"
        case RunPhase.PAUSING:
            last = "its model is prepared" if run.round is None else f"round {run.round} has finished"
            now, then = f"pausing, and paused once {last}", f"take that back with: fedface run resume {run.id}"
        case RunPhase.PAUSED:
            now, then = f"paused ({progress(run)})", f"go on with: fedface run resume {run.id}"
        case RunPhase.COMPLETED:
            now, then = ending(run), f"fetch its model with: fedface model download {run.id}"
        case RunPhase.FAILED:
            now, then = ending(run), f"try again with: fedface run clone {run.id} --set FIELD=VALUE --start"
        case RunPhase.CANCELLED:
            now, then = "cancelled; what it stored stays", f"remove that with: fedface run delete {run.id}"
        case RunPhase.DELETING:
            now, then = "deleting", "the sweep removes its artifacts, then its records"
    return f"{run.id} is {now}; {then}"
