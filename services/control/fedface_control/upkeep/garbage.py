"""Finding and removing artifacts that nothing names: killed processes and interrupted requests have left them.

An artifact that a manifest, a run's record, the ledger or an upload names is never removed, and neither is one that a
restored run needs. A worker may be about to name what it has just put, so younger objects than the grace period are kept.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from fedface_control.upkeep.named_artifacts import named_artifacts
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def collect_garbage(ports: Ports, older_than: timedelta, *, dry_run: bool) -> list[str]:
    """Remove artifacts that nothing names and that were put longer ago than ``older_than``. Returns their keys.

    A ``dry_run`` finds the keys and removes nothing.
    """
    put_before = ports.artifacts.now() - older_than  # by the clock that dates the objects
    keys = ports.artifacts.keys("")  # listed first, so that artifacts which are put from now on are not looked at
    named = named_artifacts(ports, keys)
    garbage = []
    for key in (key for key in keys if key not in named):
        try:
            if ports.artifacts.modified(key) <= put_before:
                garbage.append(key)
        except ArtifactMissingError:  # the artifact's run was deleted meanwhile
            continue
    if not dry_run:
        ports.artifacts.delete_all(garbage)
        log.info("garbage_collected", objects=len(garbage))
    return garbage
