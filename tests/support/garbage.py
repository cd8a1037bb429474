"""Collects garbage of the whole store, page by page, as the command line has the API do it."""

from __future__ import annotations

from datetime import timedelta

from fedface_control.upkeep.garbage import collect_garbage_page
from fedface_core.ports import Ports


def collect_garbage(ports: Ports, older_than: timedelta, *, dry_run: bool, limit: int = 10) -> list[str]:
    """Remove artifacts that nothing names and that are older. A ``dry_run`` removes nothing. Returns their keys."""
    keys: list[str] = []
    after: str | None = ""
    while after is not None:
        page = collect_garbage_page(ports, older_than, after=after, limit=limit, dry_run=dry_run)
        keys += page.keys
        after = page.next
    return keys
