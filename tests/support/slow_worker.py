"""``python -m support.slow_worker``: a client worker whose clients take as long as a test says, and write a journal.

The client service is the real one. An environment variable lists how many seconds each client's training takes, and
each process has the run in memory. The clients have no photographs, so each fails after its time.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from pathlib import Path

from celery import Celery

from fedface_client import attempt
from fedface_client.carry_out_task import carry_out_task
from fedface_client.invitation import Invitation
from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import RunLedger
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker
from fedface_learning.client.update import Update
from fedface_learning.data import ANYWHERE
from fedface_worker.workbench import Workbench
from support.tiny_run import tiny_plan

# Names of environment variables.
JOURNAL = "TEST_JOURNAL"
SECONDS = "TEST_TASK_SECONDS"
RUN = "run-0123456789ab"
HELD = math.inf
"""In place of seconds: until the test lets the client go."""


def train_slowly(_workbench: Workbench, invitation: Invitation) -> Update:
    """Take as long as the environment says, with a line in the journal before and after; then fail."""
    write_to_journal(f"{invitation.client_id} started")
    seconds = seconds_of_clients()[invitation.client_id]
    if seconds == HELD:
        while not Path(f"{os.environ[JOURNAL]}.go").exists():
            time.sleep(0.02)
    else:
        time.sleep(seconds)
    write_to_journal(f"{invitation.client_id} finished")
    raise InvalidInputError("there are no photographs")


def seconds_of_clients() -> dict[str, float]:
    """Client → how long its training takes, as the environment lists them."""
    return {client: float(seconds) for client, seconds in (part.split("=") for part in os.environ[SECONDS].split(","))}


def create(settings: WorkerSettings) -> tuple[Celery, list[object]]:
    """The Celery app with the task that trains the clients of `RUN`, whose round 1 is open."""
    vars(attempt)["make_update"] = train_slowly
    app = create_celery(settings)
    ports = replace(connect(settings, app), ledger=ledger_in_round_1(), artifacts=MemoryArtifacts(), clock=SystemClock())
    workbench = Workbench(ports, roots=ANYWHERE)
    register_handler(app, TrainClients, lambda command, correlation_id: carry_out_task(workbench, command, correlation_id))
    return app, []


def ledger_in_round_1() -> RunLedger:
    """A ledger with `RUN`, whose first training round is open for the clients that the environment lists."""
    seconds = seconds_of_clients()
    plan = tiny_plan(Path("nowhere"), split={"clients": 10})
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
    with exit_message(CLIENT):
        run_worker(CLIENT, load_settings(WorkerSettings), "support.slow_worker")
