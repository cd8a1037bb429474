"""Ports on this machine for the processes of a local stack."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

from fedface_cli.embedded_servers import HOST
from fedface_core.domain.errors import InvalidInputError


def free_ports(count: int) -> list[int]:
    """Ports that are free now, from below the range that outgoing connections take theirs from."""
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            probe, port = held.enter_context(socket.socket()), random.randrange(15_000, 32_000)
            with suppress(OSError):
                probe.bind((HOST, port))
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
