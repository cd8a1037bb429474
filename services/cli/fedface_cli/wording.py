"""How the terminal words what the API says."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fedface_core.domain.run import RunPhase

PHASE_STYLES: Final = {
    RunPhase.CREATED: "dim",
    RunPhase.PREPARING: "cyan",
    RunPhase.RUNNING: "cyan",
    RunPhase.COMPLETED: "green",
    RunPhase.FAILED: "red",
    RunPhase.CANCELLED: "yellow",
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
