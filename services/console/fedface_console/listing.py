"""Lists of runs: a page of them, and those that a filter leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fedface_console.control_api import ControlApi
from fedface_core.contracts.http import RunList, RunSummary
from fedface_core.domain.run import RunPhase

ON_A_PAGE: Final = 50
LOOKED_AT: Final = 1000
"""Runs that one page of a filtered list looks at. The next page goes on behind them."""


@dataclass(frozen=True)
class RunFilter:
    """Which runs are shown: those whose name or id has a text, in a phase, of an owner. Empty means all."""

    text: str = ""
    phase: RunPhase | None = None
    owner: str = ""

    @property
    def is_set(self) -> bool:
        """Whether some runs are left out."""
        return bool(self.text or self.phase or self.owner)

    def fits(self, run: RunSummary) -> bool:
        """Whether the run is shown."""
        text = self.text.casefold()
        return (
            (text in run.name.casefold() or text in run.id)
            and self.phase in (None, run.phase)
            and self.owner.casefold() in (run.owner or "").casefold()
        )

    def query(self, before: str | None) -> str:
        """The query of the page that has older runs than ``before``."""
        fields = {"text": self.text, "phase": self.phase or "", "owner": self.owner, "before": before or ""}
        return urlencode({name: value for name, value in fields.items() if value})


@dataclass(frozen=True)
class RunPage:
    """A page of runs. ``next`` is the id after which older ones follow, or None. ``looked_at`` counts those left out too."""

    runs: list[RunSummary]
    unreadable: dict[str, str]
    next: str | None
    looked_at: int


async def run_page(api: ControlApi, wanted: RunFilter, before: str | None) -> RunPage:
    """The next `ON_A_PAGE` runs older than ``before`` that the filter leaves, among `LOOKED_AT`."""
    limit = LOOKED_AT if wanted.is_set else ON_A_PAGE
    listed = await api.get(RunList, "/v1/runs", limit=limit, before=before)
    fitting = [run for run in listed.runs if wanted.fits(run)]
    shown = fitting[:ON_A_PAGE]
    whole = len(listed.runs) + len(listed.unreadable) >= limit
    following = None
    if len(fitting) > ON_A_PAGE:
        following = shown[-1].id
    elif whole and listed.runs:
        following = listed.runs[-1].id
    return RunPage(shown, {} if wanted.is_set else listed.unreadable, following, len(listed.runs))
