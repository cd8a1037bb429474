"""The number of files and connections that a process may have open at once."""

from __future__ import annotations

import resource

MOST_OPEN_FILES = 10_240
"""More than a service needs, and as many as macOS allows."""


def raise_open_file_limit() -> int:
    """Raise the soft limit of this process to its hard limit, but not above `MOST_OPEN_FILES`. Returns the limit.

    Systems keep the soft limit low for programs that use ``select``, which none of ours does. A process may raise it to the
    hard limit by itself. The processes that it starts inherit the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reachable = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < reachable:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    return reachable
