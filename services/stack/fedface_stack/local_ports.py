"""Finds and checks ports of 127.0.0.1 for the processes of a local stack."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

from fedface_core.domain.errors import InvalidInputError
from fedface_stack.embedded_servers import HOST


def free_ports(count: int) -> list[int]:
    """Draw ``count`` ports that are free now, each with a free port 10,000 above it, which SeaweedFS uses for gRPC.

    All of them lie below the range from which the system gives ports to outgoing connections. So no connection takes a port
    while its service restarts.
    """
    ports: list[int] = []
    with ExitStack() as resources:
        while len(ports) < count:
            port = random.randrange(12_000, 22_000)
            with suppress(OSError):
                for number in (port, port + 10_000):
                    resources.enter_context(socket.socket()).bind((HOST, number))
                ports.append(port)
    return ports


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
