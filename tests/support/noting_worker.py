"""``python -m support.noting_worker``: an aggregator's worker on a real broker that notes which shards it was asked to fold.

If the environment says so, it ends by an error instead.
"""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery
from celery.signals import worker_ready

from fedface_core.contracts.tasks import AGGREGATOR
from fedface_core.domain.commands import FoldShard
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker

# Names of environment variables.
JOURNAL = "TEST_JOURNAL"
END_UNASKED = "TEST_END_UNASKED"


def create(settings: WorkerSettings) -> tuple[Celery, list[object]]:
    """The Celery app with a fold that only notes its shard."""
    # Imported here, as a service imports its tasks: after the worker has told prometheus_client its folder.
    from fedface_core.runtime.celery_app import create_celery, register_handler

    app = create_celery(settings)
    register_handler(app, FoldShard, _note)
    if END_UNASKED in os.environ:
        worker_ready.connect(lambda sender, **_: sender.hub.on_tick.add(_fail), weak=False)
    return app, []


def _fail() -> None:
    raise SystemError("an error that Celery does not expect")


def _note(command: FoldShard, _correlation_id: str) -> None:
    with Path(os.environ[JOURNAL]).open("a", encoding="utf-8") as journal:
        journal.write(f"{command.shard}\n")


if __name__ == "__main__":
    run_worker(AGGREGATOR, load_settings(WorkerSettings), "support.noting_worker")
