"""The log files of a stack: kept small while processes write to them, and read from their end."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST_LOG_BYTES: Final = 16 * 2**20
PERIOD_SECONDS: Final = 0.5
_TAIL_BYTES: Final = 2**16  # more than the last lines of any log of ours


class LogRotation:
    """Keeps the logs in ``folder`` short until it is closed: looks at them twice a second, and rotates long ones.

    A log may grow above `MOST_LOG_BYTES` by what its process writes in half a second.
    """

    def __init__(self, folder: Path) -> None:
        self.problem: str | None = None
        """Why the logs could not be kept short at the last look; None if they could."""
        self._folder = folder
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="log-rotation", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking at the logs."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(PERIOD_SECONDS):
            try:
                for log in self._folder.glob("*.log"):
                    rotate_if_long(log, MOST_LOG_BYTES)
                self.problem = None
            except OSError as error:  # the next look tries again
                self.problem = f"the logs in {self._folder} cannot be kept short: {error.strerror}"


def rotate_if_long(log: Path, most_bytes: int) -> None:
    """Copy a log of more than ``most_bytes`` to `rotated` and empty it.

    The processes hold the log open, so it cannot be renamed. They append, so they write on at its new start. What is written
    between the end of the copy and the emptying is lost. If the copy fails, since the disk is full for example, the log is
    emptied nevertheless, and its first line says this.
    """
    with suppress(FileNotFoundError):  # somebody has removed it
        if log.stat().st_size <= most_bytes:
            return
        try:
            shutil.copyfile(log, rotated(log))
            note = ""
        except OSError as error:
            note = f"the stack has dropped what this log had before: it cannot write {rotated(log)}: {error.strerror}\n"
        os.truncate(log, 0)
        if note:
            with log.open("a", encoding="utf-8") as file:
                file.write(note)


def rotated(log: Path) -> Path:
    """The file that has the older part of a log."""
    return log.with_name(f"{log.name}.1")


def start_anew(log: Path) -> None:
    """Make an empty log, and remove what a stack that ran here before has left of it."""
    log.write_bytes(b"")
    rotated(log).unlink(missing_ok=True)


def last_lines(log: Path, count: int) -> list[str]:
    """The last ``count`` lines of a log, those before its last rotation too."""
    lines: list[str] = []
    for file in (log, rotated(log)):
        if len(lines) < count and file.exists():
            lines = _end_of(file).splitlines() + lines
    return lines[-count:]


def all_files(folder: Path) -> Iterable[Path]:
    """Every log in a folder, with its older part."""
    return sorted([*folder.glob("*.log"), *folder.glob("*.log.1")])


def _end_of(file: Path) -> str:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _TAIL_BYTES))
        return opened.read().decode(errors="replace")
