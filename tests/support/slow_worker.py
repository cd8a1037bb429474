"""``python -m support.slow_worker``: a client worker whose clients take as long as a test says, and write a journal.

The client service is the real one. An environment variable lists how many seconds each client's simulated device takes, and
each process has the run in memory. The clients have no photographs, so each fails after its time.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import structlog
from celery import Celery

from fedface_client.carry_out_task import carry_out_task
from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import RunLedger
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker
from fedface_learning.data import ANYWHERE
from fedface_worker.workbench import Workbench
from support.tiny_run import tiny_plan

# Names of environment variables.
JOURNAL = "TEST_JOURNAL"
SECONDS = "TEST_TASK_SECONDS"
RUN = "run-0123456789ab"


class JournalClock(SystemClock):
    """The system's clock. Each sleep of a client is written into the journal, before and after."""

    def sleep(self, seconds: float) -> None:
        client = structlog.contextvars.get_contextvars()["client_id"]
        write_to_journal(f"{client} started")
        time.sleep(seconds)
        write_to_journal(f"{client} finished")


def create(settings: WorkerSettings) -> tuple[Celery, list[object]]:
    """The Celery app with the task that trains the clients of `RUN`, whose round 1 is open."""
    app = create_celery(settings)
    ports = replace(connect(settings, app), ledger=ledger_in_round_1(), artifacts=MemoryArtifacts(), clock=JournalClock())
    workbench = Workbench(ports, roots=ANYWHERE)
    register_handler(app, TrainClients, lambda command, correlation_id: carry_out_task(workbench, command, correlation_id))
    return app, []


def ledger_in_round_1() -> RunLedger:
    """A ledger with `RUN`, whose first training round is open for the clients that the environment lists."""
    seconds = dict(part.split("=") for part in os.environ[SECONDS].split(","))
    trace = [{"client": client, "seconds": float(duration)} for client, duration in seconds.items()]
    plan = tiny_plan(Path("nowhere"), split={"clients": 10}, devices={"trace": trace})
    now = SystemClock().now()
    run = Run(id=RUN, plan=plan, phase=RunPhase.RUNNING, round=1, correlation_id="abc", created_at=now)
    ledger = MemoryLedger()
    ledger.create(run)
    ledger.save(run, "round_opened", opened=open_round(plan, RUN, 1, tuple(seconds), "0" * 64, now))
    return ledger


def write_to_journal(line: str) -> None:
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(line + "\n")


if __name__ == "__main__":
    run_worker(CLIENT, load_settings(WorkerSettings), "support.slow_worker")
