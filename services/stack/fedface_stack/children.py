"""Child processes that never outlive their owner: each in a process group of its own, with its output in a log file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# The child reports its own group before it becomes the service. Were its owner to report it, an owner killed between
# the two would leave an orphan. Standard input is the pipe to the reaper only for that moment.
_REPORT_THEN_BECOME = 'echo "+$$" >&0; exec "$@" </dev/null'


class Children:
    """Starts and ends processes. `close` ends the reaper, and with it whatever still runs."""

    def __init__(self) -> None:
        self._reaper = subprocess.Popen(
            [sys.executable, "-m", "fedface_stack.reaper"],
            stdin=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C and a closed terminal do not end it with its owner
        )
        self._groups: set[int] = set()

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a process whose output is appended to ``log``. Its process group has the id of the process."""
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - the shell's text is fixed, and the command comes from our own parts
                ["/bin/sh", "-c", _REPORT_THEN_BECOME, "sh", *command],
                stdin=self._reaper.stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                process_group=0,  # a terminal's Ctrl-C reaches the owner alone, which stops the others in order
            )
        self._groups.add(process.pid)
        return process

    def stop(self, processes: Sequence[subprocess.Popen[bytes]], grace_seconds: float) -> None:
        """Ask processes to end (SIGTERM), all at once; kill what is left of their groups after ``grace_seconds``."""
        try:
            for process in processes:
                if process.poll() is None:
                    process.terminate()
            deadline = time.monotonic() + grace_seconds
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:  # also when a second Ctrl-C ends the patience
            for process in processes:
                self.kill(process)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process and its whole group at once (SIGKILL), and reap it; ending one twice is no error."""
        if process.pid not in self._groups:
            return
        with suppress(ProcessLookupError):  # nothing of it is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._groups.remove(process.pid)
        assert self._reaper.stdin is not None
        with suppress(BrokenPipeError):  # somebody killed the reaper: there is nothing to tell it
            self._reaper.stdin.write(f"-{process.pid}\n".encode())
            self._reaper.stdin.flush()

    def close(self) -> None:
        """Let the reaper go; it kills what was not stopped."""
        assert self._reaper.stdin is not None
        self._reaper.stdin.close()
        self._reaper.wait()
