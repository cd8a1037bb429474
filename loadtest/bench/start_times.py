"""Whole processes, timed from their start: to their end, or to the line that says that the stack is up."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from fedface_stack.stack import StackError
from loadtest.bench.repetitions import Repeated
from loadtest.bench.report import Report

_READY = "the local stack is up"
_STOP_SECONDS = 60.0


class StartReport(Report):
    """What `fedface bench start` writes."""

    seconds: dict[str, Repeated]


def process_seconds(*arguments: str) -> float:
    """A Python process with these arguments, from its start to its end."""
    started = time.perf_counter()
    subprocess.run((sys.executable, *arguments), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def up_seconds() -> float:
    """`fedface up` in a directory of its own, until it says that all parts can work. `StackError` where it ends instead."""
    with tempfile.TemporaryDirectory(prefix="fedface-bench-") as workdir:
        command = (sys.executable, "-m", "fedface_cli.main", "up", "--workdir", workdir, "--api-port", "0")
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as stack:
            try:
                return _until_ready(stack.stdout or (), started)
            finally:
                stack.terminate()
                stack.communicate(timeout=_STOP_SECONDS)


def _until_ready(lines: Iterable[str], started: float) -> float:
    said = []
    for line in lines:
        said.append(line)
        if _READY in line:
            return time.perf_counter() - started
    raise StackError(f"`fedface up` ended before the stack was ready:\n{''.join(said)}")


MEASURES: Final[Mapping[str, Callable[[], float]]] = {
    "fedface --help": lambda: process_seconds("-m", "fedface_cli.main", "--help"),
    "import of the API": lambda: process_seconds("-c", "import fedface_control.api"),
    "fedface up, until ready": up_seconds,
}
