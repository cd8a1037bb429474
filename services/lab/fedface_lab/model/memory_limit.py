"""Bounds the memory that a block may take: a file from a stranger may declare sizes that it has no values for."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FIELD_OF_SIZE = 0  # of /proc/self/statm: all address space of the process, in pages


@contextmanager
def memory_limit(more_bytes: int) -> Iterator[None]:
    """Within the block, the process may take ``more_bytes`` of address space beyond what it has: else `MemoryError`.

    torch raises a `RuntimeError` instead. For commands: threads of the process have the limit, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[_FIELD_OF_SIZE])
    limit = pages * resource.getpagesize() + more_bytes
    bounds = [limit, *(each for each in (soft, hard) if each != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
