"""The rounds of a run, read page by page from the API, within bounds."""

from __future__ import annotations

from typing import Final

from fedface_console.control_api import ControlApi
from fedface_core.contracts.http import RoundList, RoundView, RunSummary

AT_ONCE: Final = 1000
MOST: Final = 20_000
"""Rounds that a curve shows. What is more than that is left out, and the page says so."""
NEWEST: Final = 25


async def newest_rounds(api: ControlApi, run: RunSummary, before: int | None = None) -> list[RoundView]:
    """The `NEWEST` last rounds of the run, or the last of those below the number ``before``; the newest first."""
    if run.round is None:
        return []
    end = run.round + 1 if before is None else before
    after = end - NEWEST - 1
    listed = await api.get(RoundList, f"/v1/runs/{run.id}/rounds", after=after if after >= 0 else None, limit=NEWEST)
    return [view for view in reversed(listed.rounds) if view.number < end]


async def all_rounds(api: ControlApi, run_id: str) -> list[RoundView]:
    """All rounds of the run in order, the first `MOST` of them."""
    found: list[RoundView] = []
    after: int | None = None
    while len(found) < MOST:
        listed = await api.get(RoundList, f"/v1/runs/{run_id}/rounds", after=after, limit=AT_ONCE)
        found += listed.rounds
        if listed.next is None:
            break
        after = listed.next
    return found[:MOST]
