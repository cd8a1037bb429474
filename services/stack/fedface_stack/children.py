"""Child processes that never outlive their owner. Each has a process group of its own and writes to a log file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# The child reports its own group before it becomes the service. If its owner reported the group, an owner that is killed
# between start and report would leave an orphan. Standard input is the pipe to the reaper only until the report is written.
_REPORT_THEN_BECOME = 'echo "+$$" >&0; exec "$@" </dev/null'


class Children:
    """Starts and ends child processes. `close` lets the reaper kill those that still run."""

    def __init__(self) -> None:
        self._reaper = subprocess.Popen(
            [sys.executable, "-P", "-m", "fedface_stack.reaper"],
            stdin=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C and a closed terminal end only its owner
        )
        self._groups: set[int] = set()

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, directory: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process whose output is appended to ``log``. The id of its process group is its process id.

        It runs in ``directory``, or else in the folder of this process.
        """
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - the shell's text is fixed, and the command comes from a `ProcessSpec`
                ["/bin/sh", "-c", _REPORT_THEN_BECOME, "sh", *command],
                stdin=self._reaper.stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=directory,
                process_group=0,  # Ctrl-C in a terminal then reaches the owner only, which stops its children in order
            )
        self._groups.add(process.pid)
        return process

    def stop(self, processes: Sequence[subprocess.Popen[bytes]], grace_seconds: float) -> None:
        """Ask processes to end (SIGTERM), all at once, and kill what is left of their groups after ``grace_seconds``."""
        try:
            for process in processes:
                if process.poll() is None:
                    process.terminate()
            deadline = time.monotonic() + grace_seconds
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:  # also if a second Ctrl-C interrupts the wait
            for process in processes:
                self.kill(process)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process and its whole group (SIGKILL), and reap the process. Killing it twice is no error."""
        if process.pid not in self._groups:
            return
        with suppress(ProcessLookupError):  # all processes of the group have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._groups.remove(process.pid)
        assert self._reaper.stdin is not None
        with suppress(BrokenPipeError):  # the reaper was killed itself
            self._reaper.stdin.write(f"-{process.pid}\n".encode())
            self._reaper.stdin.flush()

    def close(self) -> None:
        """Close the pipe to the reaper, which then kills what was not stopped, and wait until the reaper has ended."""
        assert self._reaper.stdin is not None
        self._reaper.stdin.close()
        self._reaper.wait()
