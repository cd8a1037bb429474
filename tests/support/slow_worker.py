"""``python -m support.slow_worker``: a client's worker whose task takes as long as the test says, and leaves a journal."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery

from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import TrainClients
from fedface_core.runtime.celery_app import create_celery, serve
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker

JOURNAL, SECONDS = "TEST_JOURNAL", "TEST_TASK_SECONDS"  # environment variables


def create(settings: WorkerSettings) -> tuple[Celery, list[object]]:
    """The app with a task that sleeps: clients of the environment's list for their seconds."""
    app = create_celery(settings)
    serve(app, TrainClients, lambda command, _: work(command))
    return app, []


def work(command: TrainClients) -> None:
    seconds = dict(part.split("=") for part in os.environ[SECONDS].split(","))[command.clients[0]]
    note(f"{command.clients[0]} started")
    time.sleep(float(seconds))
    note(f"{command.clients[0]} finished")


def note(line: str) -> None:
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(line + "\n")


if __name__ == "__main__":
    run_worker(CLIENT, load_settings(WorkerSettings), "support.slow_worker")
