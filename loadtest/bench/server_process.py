"""One server of a local stack, for a benchmark that needs no more of the stack."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fedface_stack.children import Children
from fedface_stack.embedded_servers import ProcessSpec
from fedface_stack.stack import StackError

_START_SECONDS = 120.0


@contextmanager
def running(spec: ProcessSpec, workdir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server in its own folder, give its process once it is ready, and kill it at the end. Its log is in
    ``workdir``.

    `StackError`, with the end of its log, if it does not start.
    """
    log = workdir / f"{spec.name}.log"
    with closing(Children()) as children:
        process = children.start(spec.command, spec.environment, log, spec.directory)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not spec.is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StackError(
                        f"{spec.name} did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}"
                    )
                time.sleep(0.1)
            yield process
        finally:
            children.kill(process)
