"""Ports of a local stack."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_stack.local_ports import check_port_is_free, free_ports, ports_until_the_end

# Another process, which draws a port, or ends without one after so many draws of the same.
DRAW_ONE = """
import sys
from fedface_stack import local_ports
draws = iter([int(sys.argv[1])] * 3)
local_ports.random.choice = lambda _: next(draws)
print(*local_ports.free_ports(1), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """Have these ports drawn next, in this order."""

    def draw(ports: list[int]) -> None:
        draws: Iterator[int] = iter(ports)
        monkeypatch.setattr(random, "choice", lambda _: next(draws))

    return draw


def test_free_ports_are_free_with_the_ports_that_seaweedfs_takes_above_them(drawn: Callable[[list[int]], None]) -> None:
    with ports_until_the_end(200) as ports:
        assert len({*ports, *(port + 10_000 for port in ports)}) == 400
        assert all(port + 10_000 < 32_768 for port in ports)  # where Linux begins to give ports to outgoing connections
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[0] + 10_000))
        drawn(ports[:2])
        with ports_until_the_end(1) as again:
            assert again == [ports[1]]


def test_nobody_draws_a_port_that_another_has_drawn_until_it_is_given_back(drawn: Callable[[list[int]], None]) -> None:
    (other,) = free_ports(1)
    with ports_until_the_end(1) as ports:
        port = ports[0]
        ports.pop()  # as a stack takes them out
        drawn([port, other])
        with pytest.raises(StopIteration):
            free_ports(1)
        command = [sys.executable, "-c", DRAW_ONE, str(port)]
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
        assert "StopIteration" in refused.stderr, "a process of its own cannot draw it either"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{port}\n"
        drawn([port])
        with pytest.raises(StopIteration):
            free_ports(1)
        process.kill()
    drawn([port])
    with ports_until_the_end(1) as ports:
        assert ports == [port], "a process that is killed keeps no port"


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRAW_ONE.replace("import sys", "import sys, tempfile; tempfile.tempdir = sys.argv[2]")]
    done = subprocess.run([*command, "1", str(tmp_path / "away")], capture_output=True, text=True, check=False, timeout=60)
    assert f"InvalidInputError: cannot open {tmp_path / 'away'}/fedface-ports-" in done.stderr


def test_only_a_port_that_somebody_listens_on_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInputError, match=rf"port {port} on 127\.0\.0\.1 cannot be used"):
            check_port_is_free(port, "--console-port")
    check_port_is_free(port, "--console-port")
