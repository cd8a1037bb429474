"""Which processes of a process group live: for tests of what ends with its owner."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import psutil


def group_members(*groups: int) -> list[int]:
    """The ids of the living processes of some process groups."""
    members = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):  # it ended meanwhile
            if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members


def have_ended(*groups: int, within_seconds: float = 10.0) -> bool:
    """Whether all processes of some process groups end within ``within_seconds``: a killed process takes a moment."""
    deadline = time.monotonic() + within_seconds
    while group_members(*groups):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
