"""Services as on machines whose clocks are wrong: control's an hour behind, one of two client workers' two minutes ahead."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from pydantic import SecretStr

from fedface_control.operate.run import create_run, start_run
from fedface_core.bootstrap import connect
from fedface_core.domain.run import ENDED, RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from support.servers import wait_for
from support.tiny_run import tiny_plan, write_faces

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # four processes import torch, perhaps on a busy machine

DEADLINE_SECONDS = 60
# Process → what Python runs.
WRONG_CLOCK = "loadtest.chaos.wrong_clock"
COMMANDS: Mapping[str, Sequence[str]] = {
    "control": (WRONG_CLOCK, "-3600", "fedface_control.worker"),
    "wrong-client": (WRONG_CLOCK, "120", "fedface_client"),
    "right-client": ("fedface_client",),
    "aggregator": ("fedface_aggregator",),
    "evaluator": ("fedface_evaluator",),
}


@pytest.fixture
def settings(valkey_url: str, tmp_path: Path) -> Settings:
    """Those of services with a database of their own."""
    url = urlsplit(valkey_url)._replace(path="/6").geturl()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=tmp_path / "artifacts")


@contextmanager
def started(children: Children, settings: Settings, folder: Path) -> Iterator[None]:
    """The services, ready. They end with the block, and have written their logs into the folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "FEDFACE_REDIS_URL": settings.redis_url.get_secret_value(),
        "FEDFACE_ARTIFACTS": "directory",
        "FEDFACE_ARTIFACT_DIRECTORY": str(settings.artifact_directory),
        "FEDFACE_PHOTOGRAPH_ROOTS": str(folder),
        "FEDFACE_SWEEP_SECONDS": "0.5",
    }
    with ExitStack() as ends:
        for name, command in COMMANDS.items():
            process = children.start((sys.executable, "-m", *command), environment, folder / f"{name}.log")
            ends.callback(children.kill, process)
        for name in COMMANDS:
            wait_for(name, partial(has_logged, folder, name, "worker_ready"))
        yield


def has_logged(folder: Path, name: str, event: str) -> bool:
    return bool(events(folder, name, event))


def events(folder: Path, name: str, event: str) -> list[dict[str, Any]]:
    """The lines of this event in the log of a service."""
    lines = (folder / f"{name}.log").read_text().splitlines()
    return [json.loads(line) for line in lines if f'"event": "{event}"' in line]


def test_deadlines_are_kept_by_the_ledgers_clock(server_processes: Children, settings: Settings, tmp_path: Path) -> None:
    devices = {"mean_seconds": 0.5}
    plan = tiny_plan(
        write_faces(tmp_path / "faces"), cohort={"deadline_seconds": DEADLINE_SECONDS}, devices=devices, rounds=1
    )
    with create_celery(settings) as app, started(server_processes, settings, tmp_path):
        ports = connect(settings, app)
        run_id = create_run(ports, plan).id
        start_run(ports, run_id)
        wait_for("the end of the run", lambda: ports.ledger.load(run_id).phase in ENDED)
        run = ports.ledger.load(run_id)
        assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
        check_rounds(ports, run_id)
    # Both workers took part, and those with a wrong clock said so.
    assert events(tmp_path, "wrong-client", "clients_done")
    assert events(tmp_path, "right-client", "clients_done")
    skews = {name: [line["skew_seconds"] for line in events(tmp_path, name, "clock_skewed")] for name in COMMANDS}
    assert skews.pop("control") == [pytest.approx(-3600, abs=30)]
    assert skews.pop("wrong-client") == [pytest.approx(120, abs=30)]
    assert not any(skews.values())


def check_rounds(ports: Ports, run_id: str) -> None:
    """Every update counts, and each deadline is as far from the opening as the plan says, by the true time."""
    now = ports.ledger.now()
    for summary in ports.ledger.round_summaries(run_id):
        assert (summary.accepted, summary.failed, summary.late) == (4, 0, 0)
        assert summary.round.closed_at is not None
        assert 0 < (now - summary.round.opened_at).total_seconds() < 600
        assert summary.round.closed_at < summary.round.deadline_at
