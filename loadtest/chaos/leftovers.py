"""Checks of what a stopped stack must not leave: processes, half-written files, secrets in its logs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

import psutil

from fedface_stack.log_files import all_files
from loadtest.chaos.checks import Check

PATIENCE_SECONDS = 10.0  # a killed process takes a moment to end


def check_no_process_left(variable: str, mark: str, groups: AbstractSet[int]) -> Check:
    """Check that no process with ``variable=mark`` in its environment or in one of the process ``groups`` is alive."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := _living(variable, mark, groups)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return Check("no process is left", not left, {"started_groups": len(groups), "left": left})


def check_no_unfinished_file(artifacts: Path) -> Check:
    """Check that the directory store has no file that was never renamed to its key. A store in S3 has no such directory."""
    incoming = artifacts / "~incoming"
    left = sorted(path.name for path in incoming.iterdir()) if incoming.is_dir() else []
    return Check("no file is left half written", not left, {"left": left})


def check_no_secret_logged(logs: Path, secrets: Iterable[str]) -> Check:
    """Check that no log holds a secret of the stack, whatever tracebacks the faults caused."""
    paths = list(all_files(logs))
    telling = [
        path.name
        for path in paths
        if any(secret in path.read_text(encoding="utf-8", errors="replace") for secret in secrets)
    ]
    return Check("no log tells a secret", not telling, {"logs": len(paths), "telling": telling})


def _living(variable: str, mark: str, groups: AbstractSet[int]) -> list[str]:
    living = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it ended meanwhile, or belongs to another user
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            # Some servers overwrite their environment, so groups count too; but the system may use the number of an old
            # group again.
            in_group = os.getpgid(process.pid) in groups and os.getsid(process.pid) == os.getsid(0)
            if in_group or process.environ().get(variable) == mark:
                living.append(f"{process.pid} {' '.join(process.cmdline())}")
    return living
