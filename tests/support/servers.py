"""Starts real servers for the tests."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fedface_core.adapters.s3 import S3Artifacts
from fedface_stack.children import Children
from fedface_stack.embedded_servers import ProcessSpec

START_SECONDS = 90.0


@dataclasses.dataclass(frozen=True)
class S3Server:
    """The address of a test's S3 server, its one identity, its bucket and its process."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    pid: int = 0

    def artifacts(self) -> S3Artifacts:
        """An artifact store in the bucket."""
        return S3Artifacts(self.endpoint, self.bucket, self.access_key, self.secret_key)


@contextmanager
def running(children: Children, spec: ProcessSpec, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server, wait until it is ready, and kill it at the end of the block. Its log is in ``home``."""
    log = home / f"{spec.name}.log"
    process = children.start(spec.command, spec.environment, log, spec.directory)
    try:

        def is_ready() -> bool:
            assert process.poll() is None, f"{spec.name} ended:\n{log.read_text()[-2000:]}"
            return spec.is_ready()

        wait_for(spec.name, is_ready)
        yield process
    finally:
        children.kill(process)  # a SeaweedFS would take 10 s to stop by itself


def wait_for(what: str, is_reached: Callable[[], bool], *, seconds: float = START_SECONDS, every: float = 0.1) -> None:
    """Ask ``every`` so often until ``is_reached`` returns True, and fail with the name ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < deadline, f"{what}: not after {seconds:.0f} s"
        time.sleep(every)
