"""A handler of logs that does not write one record without end, as a fault that occurs again and again would have it."""

from __future__ import annotations

import copy
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

MOST_IDENTICAL: Final = 10
WINDOW_SECONDS: Final = 60.0
MOST_KINDS: Final = 1_000


@dataclass
class _Window:
    """Identical records since ``began``: how many were written, how many were left out, and the newest of the latter."""

    began: float
    written: int = 0
    left_out: int = 0
    newest: logging.LogRecord | None = None


class RepeatedRecordHandler(logging.StreamHandler[TextIO]):
    """Writes log records to ``stream``, but of identical ones at most `MOST_IDENTICAL` a minute.

    Records are identical if only their times differ: logger, level, text, fields and exception are equal. After the minute
    the newest record that was left out is written, with their number as its field ``repeated``; this happens before the next
    record or when the process ends. ``clock`` gives the seconds of a monotonic clock.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._windows: dict[str, _Window] = {}  # the oldest first

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it. The caller holds the handler's lock, as for every handler."""
        try:
            identity = _identity(record)
        except Exception:  # what logging does with a record whose arguments do not fit its text
            self.handleError(record)
            return
        now = self._clock()
        self._end_windows(now)
        window = self._windows.setdefault(identity, _Window(now))
        if window.written < MOST_IDENTICAL:
            window.written += 1
            super().emit(record)
        else:
            window.left_out += 1
            window.newest = _without_exception(record)

    def close(self) -> None:
        """Write what was left out so far, and close the handler."""
        self.acquire()
        try:
            for window in self._windows.values():
                self._report(window)
            self._windows.clear()
        finally:
            self.release()
        super().close()

    def _end_windows(self, now: float) -> None:
        while self._windows:
            identity, oldest = next(iter(self._windows.items()))
            if now - oldest.began < WINDOW_SECONDS and len(self._windows) < MOST_KINDS:
                return
            del self._windows[identity]
            self._report(oldest)

    def _report(self, window: _Window) -> None:
        if window.newest is not None:
            super().emit(_with_count(window.newest, window.left_out))


def _identity(record: logging.LogRecord) -> str:
    """What two identical records have in common."""
    raised: object = record.exc_info
    text = record.msg
    if isinstance(record.msg, dict):  # structlog's fields
        fields = {name: value for name, value in record.msg.items() if name != "timestamp"}
        raised = fields.pop("exc_info", None) or raised
        text = repr(fields)
    else:
        text = record.getMessage()
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, tuple):
        raised = raised[1]
    return f"{record.name} {record.levelno} {text} {raised!r}"


def _without_exception(record: logging.LogRecord) -> logging.LogRecord:
    """A copy that can be kept: an exception would keep the variables of its whole stack."""
    kept = copy.copy(record)
    kept.exc_info = None
    kept.exc_text = None
    if isinstance(record.msg, dict):
        kept.msg = {name: value for name, value in record.msg.items() if name != "exc_info"}
    else:
        kept.msg = record.getMessage()
        kept.args = None
    return kept


def _with_count(record: logging.LogRecord, count: int) -> logging.LogRecord:
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "repeated": count}
    else:
        record.msg = f"{record.msg} (repeated {count} times)"
    return record
