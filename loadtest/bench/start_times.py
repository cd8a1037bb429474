"""How long processes take: from their start to their end, or to the line that says that the stack is up."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from fedface_stack.stack import StackError
from loadtest.bench.repetitions import Repeated
from loadtest.bench.report import BenchmarkReport

_READY = "the local stack is up"
_STOP_SECONDS = 60.0


class StartReport(BenchmarkReport):
    """What `fedface bench start` reports."""

    seconds: dict[str, Repeated]
    """What was started → its seconds."""


def process_seconds(*arguments: str) -> float:
    """The seconds of a Python process with these arguments, from its start to its end. `CalledProcessError` if it fails."""
    started = time.perf_counter()
    subprocess.run((sys.executable, "-P", *arguments), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def up_command(workdir: Path) -> tuple[str, ...]:
    """The command `fedface up` with a free port for its API."""
    ports = ("--api-port", "0", "--console-port", "0")
    return (sys.executable, "-P", "-m", "fedface_cli.main", "up", "--workdir", str(workdir), *ports)


def up_seconds() -> float:
    """The seconds of `fedface up` in a fresh directory until all services can work. `StackError` if it ends before."""
    with tempfile.TemporaryDirectory(prefix="fedface-bench-") as workdir:
        started = time.perf_counter()
        with subprocess.Popen(
            up_command(Path(workdir)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as stack:
            try:
                wait_until_ready(stack.stdout or ())
                return time.perf_counter() - started
            finally:
                stack.terminate()
                stack.communicate(timeout=_STOP_SECONDS)


def wait_until_ready(lines: Iterable[str]) -> None:
    """Read the output of `fedface up` until it says that the stack is up. `StackError` if the output ends before."""
    output = []
    for line in lines:
        output.append(line)
        if _READY in line:
            return
    raise StackError(f"`fedface up` ended before the stack was ready:\n{''.join(output)}")


MEASURES: Final[Mapping[str, Callable[[], float]]] = {
    "fedface --help": lambda: process_seconds("-m", "fedface_cli.main", "--help"),
    "import of the API": lambda: process_seconds("-c", "import fedface_control.api"),
    "fedface up, until ready": up_seconds,
}
