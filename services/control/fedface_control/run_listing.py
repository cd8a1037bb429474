"""A page of the list of runs: all of them, or those that a filter leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import RunViews

LOOKED_AT: Final = 1000
"""Runs that one page of a filtered list looks at, at most. The next page goes on behind them."""
AT_ONCE: Final = 250
"""Of them, how many are in memory at one time."""


@dataclass(frozen=True)
class RunFilter:
    """Which runs are listed: those whose name or id has a text, in a phase, whose owner's name has a text. Empty means all.

    Small and capital letters are the same.
    """

    text: str = ""
    phase: RunPhase | None = None
    owner: str = ""

    @property
    def is_set(self) -> bool:
        """Whether some runs may be left out."""
        return bool(self.text or self.phase or self.owner)

    def fits(self, run: Run) -> bool:
        """Whether the run is listed."""
        text = self.text.casefold()
        return (
            (text in run.plan.name.casefold() or text in run.id)
            and self.phase in (None, run.phase)
            and self.owner.casefold() in (run.owner or "").casefold()
        )


@dataclass(frozen=True)
class RunPage:
    """Some runs, newest first."""

    runs: list[Run]
    unreadable: Mapping[str, str]
    """Run → why its record cannot be read. A filter leaves out all of them."""
    next: str | None
    """The id of the run behind which the next page begins; None if this is the last page."""
    looked_at: int
    """How many runs were looked at, with those that the filter leaves out."""


def list_runs(ledger: RunViews, wanted: RunFilter, limit: int, before: str | None) -> RunPage:
    """The newest ``limit`` runs that the filter leaves, of those older than the run ``before`` if that is given.

    With a filter, `LOOKED_AT` runs are looked at, at most. `NotFoundError` if there is no run ``before``.
    """
    most = max(LOOKED_AT, limit) if wanted.is_set else limit + 1
    fitting: list[Run] = []
    unreadable: dict[str, str] = {}
    looked_at = 0
    ended = False
    while not ended and looked_at < most and len(fitting) <= limit:
        count = min(AT_ONCE, most - looked_at) if wanted.is_set else most
        runs = ledger.runs(count, before)
        broken = ledger.unreadable_runs(count, before) if len(runs) < count else {}
        fitting += filter(wanted.fits, runs)
        unreadable |= broken
        looked_at += len(runs) + len(broken)
        ended = len(runs) + len(broken) < count
        before = runs[-1].id if runs else next(reversed([*broken]), before)
    following = None if ended else before
    if len(fitting) > limit:
        following = fitting[limit - 1].id
    return RunPage(fitting[:limit], {} if wanted.is_set else unreadable, following, looked_at)
