"""Artifacts that nothing names: what there is, and its removal."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from fedface_control.api.routes.runs import PortsDep
from fedface_control.upkeep.garbage import collect_garbage
from fedface_core.contracts.http import Garbage

# From above a task's time limit and patience, as what is younger may be named yet, to ten years: the calendar has an end.
Hours = Annotated[
    float,
    Query(ge=1.0, le=87_600.0, allow_inf_nan=False, description="Leave alone what was put less than so many hours ago."),
]

router = APIRouter(prefix="/garbage", tags=["artifacts"])


@router.get("")
def show(ports: PortsDep, older_than_hours: Hours = 24.0) -> Garbage:
    """The artifacts that no manifest, no run and no upload names."""
    keys = collect_garbage(ports, timedelta(hours=older_than_hours), dry_run=True)
    return Garbage(keys=keys, removed=False)


@router.delete("")
def collect(ports: PortsDep, older_than_hours: Hours = 24.0) -> Garbage:
    """Remove them."""
    keys = collect_garbage(ports, timedelta(hours=older_than_hours), dry_run=False)
    return Garbage(keys=keys, removed=True)
