"""Restores what commands change in the process of a test: signal handlers and an environment variable."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def process_state_kept() -> Iterator[None]:
    """Restore the handlers of SIGTERM and SIGHUP, and OMP_NUM_THREADS, at the end of the block.

    A command such as `fedface study run` changes them for the rest of its process, which here is that of all tests: pytest
    would no longer end when it is told to.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    threads = os.environ.get("OMP_NUM_THREADS")
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if threads is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = threads


@pytest.fixture(autouse=True)
def restored_process_state() -> Iterator[None]:
    """What a test's commands change in its process is restored after the test."""
    with process_state_kept():
        yield
