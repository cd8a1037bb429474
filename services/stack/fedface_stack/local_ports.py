"""Finds and checks ports of 127.0.0.1 for the processes of a local stack."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import InvalidInputError
from fedface_stack.embedded_servers import HOST

# All of them lie below the range from which the system gives ports to outgoing connections. So no connection takes a port
# while its service restarts.
_PORTS: Final = range(12_000, 22_000)


class _DrawnPorts:
    """The ports that this user's processes have drawn and not given back: a lock on one byte of a file for each.

    A port is free for everybody until its service listens, which takes seconds, and again while the service restarts. Two
    stacks that start together would sometimes draw the same. The system gives back what a process held when it ends.
    """

    def __init__(self) -> None:
        self._mine: set[int] = set()  # such locks hold off other processes only
        self._file: int | None = None
        self._lock = threading.Lock()

    def take(self, port: int) -> bool:
        """Take a port for this process. False if one of this user's processes has it."""
        with self._lock:
            if port in self._mine:
                return False
            if self._file is None:
                self._file = _open_file_of_locks()
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except BlockingIOError:
                return False
            self._mine.add(port)
            return True

    def give_back(self, port: int) -> None:
        """Let others draw this port again."""
        with self._lock:
            assert self._file is not None
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)
            self._mine.remove(port)


def _open_file_of_locks() -> int:
    """The descriptor of the file, which stays open: closing it would give back all locks."""
    path = Path(tempfile.gettempdir(), f"fedface-ports-{os.getuid()}")
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InvalidInputError(f"cannot open {path}, which tells the ports of stacks apart: {error.strerror}") from None


_drawn = _DrawnPorts()


def free_ports(count: int) -> list[int]:
    """Draw ``count`` ports that are free now, each with a free port 10,000 above it, which SeaweedFS uses for gRPC.

    No other process of this user draws them while this one lives. `InvalidInputError` if a temporary file cannot be opened.
    """
    ports: list[int] = []
    with ExitStack() as resources:
        while len(ports) < count:
            port = random.choice(_PORTS)
            if not _drawn.take(port):
                continue
            try:
                for number in (port, port + 10_000):
                    resources.enter_context(socket.socket()).bind((HOST, number))
            except OSError:  # somebody else listens there
                _drawn.give_back(port)
            else:
                ports.append(port)
    return ports


@contextmanager
def ports_until_the_end(count: int) -> Iterator[list[int]]:
    """As `free_ports`, but give the ports back at the end of the block."""
    ports = free_ports(count)
    drawn = [*ports]  # the block may take some out
    try:
        yield ports
    finally:
        for port in drawn:
            _drawn.give_back(port)


def check_port_is_free(port: int, option: str) -> None:
    """Raise `InvalidInputError`, which names the ``option``, if this process cannot listen on ``port`` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InvalidInputError(
                f"port {port} on {HOST} cannot be used ({error.strerror}): choose another with {option}"
            ) from None
