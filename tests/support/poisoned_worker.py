"""``python -m support.poisoned_worker``: an aggregator's worker whose tasks kill their process, or never end.

The worker, the ledger, the broker and the counting of failures are the real ones. Each try is a line of the journal.
"""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

from celery import Celery

from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import AGGREGATOR
from fedface_core.domain.commands import FoldShard, ReduceRound
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker
from fedface_worker.failing_steps import step_came_back

JOURNAL = "TEST_JOURNAL"  # the name of an environment variable


def create(settings: WorkerSettings) -> tuple[Celery, list[object]]:
    """The Celery app with a reduce that kills its process, and a fold that goes on for ever."""
    app = create_celery(settings)
    came_back = partial(step_came_back, connect(settings, app))
    register_handler(app, ReduceRound, _die, came_back)
    register_handler(app, FoldShard, _hang, came_back)
    return app, []


def _die(_command: ReduceRound, _correlation_id: str) -> None:
    _write_to_journal("reduce")
    os.kill(os.getpid(), signal.SIGKILL)


def _hang(_command: FoldShard, _correlation_id: str) -> None:
    _write_to_journal("fold")
    time.sleep(3600)


def _write_to_journal(line: str) -> None:
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(line + "\n")


if __name__ == "__main__":
    run_worker(AGGREGATOR, load_settings(WorkerSettings), "support.poisoned_worker")
