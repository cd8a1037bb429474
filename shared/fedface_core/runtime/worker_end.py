"""Ends a worker that cannot do its work, with the reason.

Celery only logs what a receiver of its signals raises, and never looks at the process that sends periodic tasks. A worker
would live on without its metrics, its deterministic torch or its sweep, and count as one that is there.
"""

from __future__ import annotations

import mmap
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from billiard.process import active_children
from celery.signals import worker_process_init, worker_ready

from fedface_core.domain.errors import FedFaceError

log = structlog.get_logger(__name__)

WhenReady = Callable[[threading.Event], None]
"""What is called when the worker takes tasks, with the event that is set when it is asked to end."""

LOOK_SECONDS: Final = 1.0
_BEAT: Final = "Beat"
"""Celery's name of the process that sends periodic tasks."""


class LostProcessError(FedFaceError):
    """A process of this worker has ended or cannot work."""


class WorkerEnd:
    """The end of this worker by its own decision, and the first error for which it ends."""

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._worker = os.getpid()
        self._a_process_failed = mmap.mmap(-1, 1)  # memory that forked processes share

    def require_none(self) -> None:
        """Raise the error for which the worker has ended, if it has ended for one."""
        if self._error is not None:
            raise self._error
        if self._a_process_failed[0]:
            raise LostProcessError("a process of this worker could not be prepared; the log says why")

    def call_when_ready(self, calls: Sequence[WhenReady], asked: threading.Event) -> None:
        """Call all of ``calls`` with ``asked`` once the worker is ready. If one raises, the worker ends."""

        def start(**_: object) -> None:
            try:
                for call in calls:
                    call(asked)
            except Exception as error:  # whatever it is, the worker cannot do its work
                self._end(error)

        worker_ready.connect(start, weak=False)

    def prepare_each_process(self, prepare: Callable[[], None]) -> None:
        """Call ``prepare`` at the start of each process that carries out tasks. If it raises, the worker ends."""

        def start(**_: object) -> None:
            try:
                prepare()
            except Exception:
                log.exception("worker_process_failed")
                self._a_process_failed[0] = 1
                os.kill(self._worker, signal.SIGTERM)
                os._exit(1)  # Celery would give it tasks

        worker_process_init.connect(start, weak=False)

    def watch_beat(self, asked: threading.Event) -> None:
        """End the worker if the process that sends its periodic tasks ends; `WhenReady`."""
        beat = next((process for process in active_children() if process.name == _BEAT), None)

        def watch() -> None:
            while not asked.wait(LOOK_SECONDS):
                is_gone = beat is None or not beat.is_alive()
                if is_gone and not asked.wait(LOOK_SECONDS):  # a worker that is asked to end ends it, too
                    self._end(LostProcessError("the process that sends the periodic tasks has ended"))
                    return

        threading.Thread(target=watch, daemon=True, name="watch over beat").start()

    def _end(self, error: Exception) -> None:
        self._error = self._error or error
        os.kill(self._worker, signal.SIGTERM)
