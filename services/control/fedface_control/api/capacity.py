"""How much the API serves at once, so that it never runs out of open files: each connection is one."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.safetensors_header import MAX_MODEL_BYTES

LEAST_OPEN_FILES = 64
RETRY_AFTER_SECONDS = 5
"""When a client that was turned away may ask again."""
_OWN_FILES = 32  # logs, the event loop, listening sockets, files of libraries
_THREADS = 40  # AnyIO's default
_FILES_OF_A_THREAD = 3  # a connection to the ledger, to the broker, to the artifact store
_BACKLOG = 128
# The event loop may take so many times its backlog before it has closed the first connection that is too many, and as many
# connections as the backlog may wait for their refusal.
_BACKLOGS = 5


@dataclass(frozen=True)
class Capacity:
    """What the API serves at once: connections, event streams among them (in all, of one run, to one address), uploads of
    models of so many bytes each, and requests that work in a thread.

    ``backlog`` is how many connections the system may hold until the API takes them.
    """

    connections: int = 512
    event_streams: int = 100
    event_streams_of_run: int = 50
    event_streams_of_client: int = 50
    threads: int = _THREADS
    backlog: int = _BACKLOG
    uploads: int = 4
    model_bytes: int = MAX_MODEL_BYTES


DEFAULT_CAPACITY = Capacity()


def capacity_within(open_files: int, connections: int, event_streams: int) -> Capacity:
    """The capacity of a process that may have ``open_files`` files open: as asked for, or less if that is too much.

    Event streams take half of the connections at most, so that other requests are always served. `InvalidInputError` if a
    process with so few files cannot serve.
    """
    if open_files < LEAST_OPEN_FILES:
        raise InvalidInputError(
            f"this process may open {open_files} files, and the API needs {LEAST_OPEN_FILES}; raise the limit (ulimit -n)"
        )
    free = open_files - _OWN_FILES
    threads = min(_THREADS, free // 10)
    backlog = min(_BACKLOG, free // 20)
    most = min(connections, free - threads * _FILES_OF_A_THREAD - backlog * _BACKLOGS)
    return Capacity(most, min(event_streams, most // 2), threads=threads, backlog=backlog)
