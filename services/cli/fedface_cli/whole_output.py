"""Notices if standard output cannot be written, before Python does at its exit, which prints a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_READER_GONE = 1  # the status that typer and rich give if they notice it first


@contextmanager
def whole_output() -> Iterator[None]:
    """Write out, at the end of the block, what the block has printed.

    `SystemExit` if standard output is a pipe whose reader has gone, as in ``fedface run list | head -1``: the reader has
    seen enough. `OSError` if standard output cannot be written for another reason, such as a full disk. An error of another
    kind that leaves the block comes first.
    """
    try:
        yield
    except BaseException as error:
        failure = _write_out()
        if failure is None or not isinstance(error, SystemExit | OSError):
            raise
    else:
        failure = _write_out()
    if isinstance(failure, BrokenPipeError):
        sys.exit(_READER_GONE)
    if failure is not None:
        raise failure


def _write_out() -> OSError | None:
    """Write out the buffer of standard output. If that fails, drop it, so that Python does not try again at its exit."""
    if sys.stdout is None:
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None
