"""``python -m support.slow_worker``: a worker whose clients take as long as the test says, and leave a journal."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery

from fedface_client.work_through import work_through
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import TrainClients
from fedface_core.runtime.celery_app import create_celery, serve
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker
from fedface_worker.workbench import Workbench

JOURNAL, SECONDS = "TEST_JOURNAL", "TEST_TASK_SECONDS"  # environment variables


def create(settings: WorkerSettings) -> tuple[Celery, list[object]]:
    """The app with a task whose clients sleep, for their seconds of the environment's list."""
    app = create_celery(settings)
    bench = Workbench(connect(settings, app))
    serve(app, TrainClients, lambda command, correlation_id: work_through(bench, command, correlation_id, respond))
    return app, []


def respond(client: str) -> None:
    seconds = dict(part.split("=") for part in os.environ[SECONDS].split(","))[client]
    note(f"{client} started")
    time.sleep(float(seconds))
    note(f"{client} finished")


def note(line: str) -> None:
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(line + "\n")


if __name__ == "__main__":
    run_worker(CLIENT, load_settings(WorkerSettings), "support.slow_worker")
