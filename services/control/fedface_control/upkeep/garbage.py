"""Finds and removes artifacts that nothing names: left by processes that were killed, or by requests that broke off.

What a manifest, a run's record, the ledger or an upload names is never removed, nor anything that a restored run needs.
What a worker is about to name was put just now, so objects younger than the grace period are left alone.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from fedface_control.upkeep.named_artifacts import named_artifacts
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def collect_garbage(ports: Ports, older_than: timedelta, *, dry_run: bool) -> list[str]:
    """The keys of artifacts that nothing names and that were put longer ago; removed, unless it is a ``dry_run``."""
    put_before = ports.clock.now() - older_than
    keys = ports.artifacts.keys("")  # first: what is put from now on is not looked at
    named = named_artifacts(ports, keys)
    garbage = []
    for key in (key for key in keys if not named.has(key)):
        try:
            if ports.artifacts.modified(key) <= put_before:
                garbage.append(key)
        except ArtifactMissingError:  # its run was deleted meanwhile
            continue
    if not dry_run:
        ports.artifacts.delete_all(garbage)
        log.info("garbage_collected", objects=len(garbage))
    return garbage
