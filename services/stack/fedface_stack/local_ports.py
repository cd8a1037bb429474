"""Ports on this machine for the processes of a local stack."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

from fedface_core.domain.errors import InvalidInputError
from fedface_stack.embedded_servers import HOST


def free_ports(count: int) -> list[int]:
    """Ports that are free now, as are those 10,000 above, which SeaweedFS takes for its own traffic.

    All of them lie below the range that outgoing connections take theirs from: none is lost while its service is away.
    """
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            port = random.randrange(12_000, 22_000)
            with suppress(OSError):
                for number in (port, port + 10_000):
                    held.enter_context(socket.socket()).bind((HOST, number))
                ports.append(port)
    return ports


def refuse_taken(port: int) -> None:
    """`InvalidInputError` where a port that was asked for cannot be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InvalidInputError(
                f"port {port} on {HOST} cannot be used ({error.strerror}): choose another with --api-port"
            ) from None
