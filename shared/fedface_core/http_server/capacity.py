"""How much a server serves at once, so that its process never runs out of open files: each connection is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

from fedface_core.domain.errors import InvalidInputError

LEAST_OPEN_FILES: Final = 64
RETRY_AFTER_SECONDS: Final = 5
"""When a client that was turned away may ask again."""
_OWN_FILES: Final = 32  # logs, the event loop, listening sockets, files of libraries
_THREADS: Final = 40  # AnyIO's default
_FILES_OF_A_THREAD: Final = 3  # such as a connection to the ledger, to the broker, to the artifact store
_BACKLOG: Final = 128
# The event loop may take so many times its backlog before it has closed the first connection that is too many, and as many
# connections as the backlog may wait for their refusal.
_BACKLOGS: Final = 5


@dataclass(frozen=True)
class Capacity:
    """What a server serves at once: connections, event streams among them, and requests that work with other servers or
    with files, each as a thread does.

    ``backlog`` is how many connections the system may hold until the server takes them.
    """

    connections: int = 512
    event_streams: int = 100
    threads: int = _THREADS
    backlog: int = _BACKLOG


CapacityT = TypeVar("CapacityT", bound=Capacity)


def capacity_within(open_files: int, wanted: CapacityT, *, files_of_a_stream: int = 1) -> CapacityT:
    """The capacity of a process that may have ``open_files`` files open: ``wanted``, or less if that is too much.

    An event stream takes ``files_of_a_stream``: its connection, and those to other servers that it needs while it is open.
    Streams take half of the connections at most, so that other requests are always served. `InvalidInputError` if a process
    with so few files cannot serve.
    """
    if open_files < LEAST_OPEN_FILES:
        raise InvalidInputError(
            f"this process may open {open_files} files, and needs {LEAST_OPEN_FILES} to serve; raise the limit (ulimit -n)"
        )
    free = open_files - _OWN_FILES
    threads = min(wanted.threads, free // 10)
    backlog = min(wanted.backlog, free // 20)
    most = free - threads * _FILES_OF_A_THREAD - backlog * _BACKLOGS
    more = files_of_a_stream - 1
    # Either all wanted streams, or else as many as half of the connections.
    connections = min(wanted.connections, max(most - more * wanted.event_streams, 2 * most // (2 + more)))
    streams = min(wanted.event_streams, connections // 2)
    return replace(wanted, connections=connections, event_streams=streams, threads=threads, backlog=backlog)
