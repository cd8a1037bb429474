"""Artifacts that nothing names: listing and removing them, a page of the store at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from fedface_control.api.routes.runs import INVALID, PortsDep
from fedface_control.auth.roles import Role, requires
from fedface_control.upkeep.garbage import collect_garbage_page
from fedface_core.contracts.http import Garbage
from fedface_core.ports import Ports

# The least is above a task's time limit and patience, since a task may still name what it has put. The most is ten years:
# more would reach back before the calendar begins.
Hours = Annotated[
    float,
    Query(ge=1.0, le=87_600.0, allow_inf_nan=False, description="Keep artifacts that are younger than this, in hours."),
]

After = Annotated[
    str, Query(max_length=500, description="The key after which the page begins: `next` of the page before. Empty at first.")
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="How many artifacts the page has at most.")]

router = APIRouter(prefix="/garbage", tags=["artifacts"])


@router.get("", responses=INVALID, dependencies=[requires(Role.VIEWER)])
def list_garbage(ports: PortsDep, older_than_hours: Hours = 24.0, after: After = "", limit: Limit = 1000) -> Garbage:
    """Look at one page of the store, and list its artifacts that no claim, manifest, run or upload names."""
    return _page(ports, older_than_hours, after, limit, dry_run=True)


@router.delete("", responses=INVALID, dependencies=[requires(Role.ADMIN)])
def collect_garbage(ports: PortsDep, older_than_hours: Hours = 24.0, after: After = "", limit: Limit = 1000) -> Garbage:
    """Look at one page of the store, and remove and list its artifacts that no claim, manifest, run or upload names."""
    return _page(ports, older_than_hours, after, limit, dry_run=False)


def _page(ports: Ports, hours: float, after: str, limit: int, *, dry_run: bool) -> Garbage:
    page = collect_garbage_page(ports, timedelta(hours=hours), after=after, limit=limit, dry_run=dry_run)
    return Garbage(keys=[*page.keys], removed=not dry_run, looked_at=page.looked_at, next=page.next)
