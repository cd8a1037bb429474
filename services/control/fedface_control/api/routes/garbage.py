"""Artifacts that nothing names: listing and removing them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from fedface_control.api.routes.runs import PortsDep
from fedface_control.upkeep.garbage import collect_garbage
from fedface_core.contracts.http import Garbage

# The least is above a task's time limit and patience, since a task may still name what it has put. The most is ten years:
# more would reach back before the calendar begins.
Hours = Annotated[
    float,
    Query(ge=1.0, le=87_600.0, allow_inf_nan=False, description="Keep artifacts that are younger than this, in hours."),
]

router = APIRouter(prefix="/garbage", tags=["artifacts"])


@router.get("")
def show(ports: PortsDep, older_than_hours: Hours = 24.0) -> Garbage:
    """List the artifacts that no manifest, no run and no upload names."""
    keys = collect_garbage(ports, timedelta(hours=older_than_hours), dry_run=True)
    return Garbage(keys=keys, removed=False)


@router.delete("")
def collect(ports: PortsDep, older_than_hours: Hours = 24.0) -> Garbage:
    """Remove the artifacts that no manifest, no run and no upload names, and list them."""
    keys = collect_garbage(ports, timedelta(hours=older_than_hours), dry_run=False)
    return Garbage(keys=keys, removed=True)
