"""Ports of a local stack."""

from __future__ import annotations

import socket

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_stack.local_ports import check_port_is_free, free_ports


def test_free_ports_are_free_with_the_ports_that_seaweedfs_takes_above_them(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = free_ports(200)
    assert len({*ports, *(port + 10_000 for port in ports)}) == 400
    assert all(port + 10_000 < 32_768 for port in ports)  # where Linux begins to give ports to outgoing connections
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[0] + 10_000))
        draws = iter(ports[:2])
        monkeypatch.setattr("random.randrange", lambda *_: next(draws))
        assert free_ports(1) == [ports[1]]


def test_only_a_port_that_somebody_listens_on_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInputError, match=rf"port {port} on 127\.0\.0\.1 cannot be used"):
            check_port_is_free(port, "--console-port")
    check_port_is_free(port, "--console-port")
