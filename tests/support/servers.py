"""Starting real servers for the tests."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fedface_core.adapters.s3 import S3Artifacts
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, Part

START_SECONDS = 90.0


@dataclasses.dataclass(frozen=True)
class S3Server:
    """Where a test's S3 server is, its one identity and its bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str

    def artifacts(self) -> S3Artifacts:
        """A store in it."""
        return S3Artifacts(self.endpoint, self.bucket, self.access_key, self.secret_key)


@contextmanager
def running(children: Children, part: Part, home: Path) -> Iterator[None]:
    log = home / f"{part.name}.log"
    process = children.start(part.command, part.environment, log)
    try:

        def is_ready() -> bool:
            assert process.poll() is None, f"{part.name} ended:\n{log.read_text()[-2000:]}"
            return part.is_ready()

        wait_for(part.name, is_ready)
        yield
    finally:
        children.kill(process)  # at once: a SeaweedFS takes 10 s to stop by itself, and nobody will read its files


def wait_for(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not after {START_SECONDS:.0f} s"
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports that are free now, as are those 10,000 above, which SeaweedFS takes for its own traffic."""
    ports: list[int] = []
    with ExitStack() as held:
        for port in range(15_000 + time.time_ns() % 5_000, 22_000):
            probes = [held.enter_context(socket.socket()) for _ in range(2)]
            try:
                for probe, number in zip(probes, (port, port + 10_000), strict=True):
                    probe.bind((HOST, number))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise AssertionError(f"there are no {count} free ports")
