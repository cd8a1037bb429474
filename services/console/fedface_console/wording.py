"""Figures, phases and reasons as text of the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fedface_core.contracts.http import RunSummary
from fedface_core.domain.results import Scores
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, RunPhase

MARKS: Final = {
    RunPhase.CREATED: "○",
    RunPhase.PREPARING: "◔",
    RunPhase.RUNNING: "▶",
    RunPhase.PAUSING: "◑",
    RunPhase.PAUSED: "❚❚",
    RunPhase.COMPLETED: "✓",
    RunPhase.FAILED: "✕",
    RunPhase.CANCELLED: "⊘",
    RunPhase.DELETING: "…",
}
"""A sign for each phase, so that nobody has to tell colours apart."""
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_THOUSAND: Final = 1000


def percent(share: float | None) -> str:
    """A share (0 to 1) in per cent: ``93.30 %``; a dash for None."""
    return "–" if share is None else f"{100 * share:.2f} %"


def figure(value: float | None, digits: int = 4) -> str:
    """A number with that many digits after the point; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def size(count: float | None) -> str:
    """A number of bytes: ``3.6 MB``; a dash for None."""
    if count is None:
        return "–"
    for unit in _UNITS:
        if abs(count) < _THOUSAND or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= _THOUSAND
    raise AssertionError("the last unit takes all")


def counted(number: int, noun: str) -> str:
    """A number and its noun: ``1 round``, ``12,000 rounds``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def span(seconds: float | None) -> str:
    """A length of time: ``41 s``, ``3 min 05 s``, ``2 h 10 min``; a dash for None."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours:,} h {minutes:02d} min"
    return f"{minutes} min {left:02d} s" if minutes else f"{left} s"


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """The seconds from one moment to another; None if one of them is missing."""
    return None if start is None or end is None else (end - start).total_seconds()


def strictest_tar(scores: Scores | None) -> tuple[str, float] | None:
    """The TAR at the smallest FAR for which there are pairs enough, with the FAR's name; None if there is none."""
    resolved = [(far, tar) for far, tar in (scores.tar if scores else {}).items() if tar is not None]
    return min(resolved, key=lambda one: float(one[0])) if resolved else None


def why_it_waits(run: RunSummary) -> str:
    """What the run waits for at present, in one sentence; empty if it has ended."""
    if run.phase in ENDED:
        return "" if run.phase is not RunPhase.DELETING else "The sweep removes its artifacts, and then its records."
    match run.phase:
        case RunPhase.CREATED:
            return "It waits for somebody to start it."
        case RunPhase.PREPARING:
            return "It waits for its model and the list of its people, which the workers prepare."
        case RunPhase.PAUSED:
            return "It waits for somebody to resume it."
    return _why_the_round_waits(run)


def _why_the_round_waits(run: RunSummary) -> str:
    then = " Then the run pauses." if run.phase is RunPhase.PAUSING else ""
    if run.unreadable_round is not None:
        return f"The record of round {run.round} cannot be read: {run.unreadable_round}"
    match run.round_phase:
        case RoundPhase.REGISTERING:
            return f"Devices register their public keys for round {run.round}.{then}"
        case RoundPhase.SHARING:
            return f"Clients share the keys of round {run.round}; who has shared none at its deadline does not train.{then}"
        case RoundPhase.HANDING_ON:
            return f"The aggregator hands on the keys that clients of round {run.round} have shared.{then}"
        case RoundPhase.UNMASKING:
            return f"Clients of round {run.round} reveal what takes the masks out of the sums of their updates.{then}"
        case RoundPhase.OPEN:
            missing = max(0, run.quorum - run.accepted)
            overdue = run.seconds_left is not None and run.seconds_left <= 0
            until = "Its deadline has passed: the sweep closes it." if overdue else "At its deadline it closes anyway."
            if missing == 0:
                return f"Round {run.round} has its quorum and is being closed.{then}"
            return (
                f"Round {run.round} waits for {counted(missing, 'more update')} to reach its quorum of {run.quorum:,}; "
                f"{counted(run.unsettled, 'client')} may still send one. {until}{then}"
            )
        case RoundPhase.SUSPENDED:
            return f"Round {run.round} is suspended; updates of clients under way still count.{then}"
        case RoundPhase.AGGREGATING:
            return f"The aggregator averages the updates of round {run.round}.{then}"
        case RoundPhase.EVALUATING:
            return f"The evaluator scores the model version of round {run.round}.{then}"
    return f"Control opens the next round.{then}"
