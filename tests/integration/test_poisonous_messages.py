"""A message that kills its worker process each time, or never ends, is given up: a real worker, broker and ledger."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.contracts.tasks import AGGREGATOR, CONTROL
from fedface_core.domain.commands import FoldShard, ReduceRound
from fedface_core.domain.failures import MOST_IN_A_ROW, PROCESS_ENDED, shard_step
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from support.poisoned_worker import JOURNAL
from support.servers import wait_for

pytestmark = pytest.mark.long

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan.model_validate({"split": {"clients": 2}})
POISON = {
    "reduce": (ReduceRound(run_id=RUN, round=0), "aggregator.reduce_round"),
    "fold": (FoldShard(run_id=RUN, round=0, shard=1), shard_step(1)),
}


def command_of(message: str) -> Any:
    """The command in a message of Celery."""
    return json.loads(base64.b64decode(json.loads(message)["body"]))[1]["command"]


@pytest.fixture
def broker(broker_url: str) -> Any:
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        yield client


def reports(broker: Any) -> list[dict[str, Any]]:
    """What control was told of steps that failed for good, beside the notes of each time that one failed."""
    facts = [command_of(message)["fact"] for message in broker.lrange(CONTROL, 0, -1)]
    return [fact for fact in facts if fact["kind"] == "step_failed"]


@pytest.mark.parametrize("task", POISON)
def test_a_poisonous_message_is_reported_and_taken_from_the_queue(
    server_processes: Children, broker_url: str, broker: Any, tmp_path: Path, task: str
) -> None:
    command, step = POISON[task]
    ledger = RedisLedger(broker_url)
    run = Run(id=RUN, plan=PLAN, correlation_id="abc", created_at=NOW)
    ledger.create(run)
    ledger.save(run, "round_opened", opened=open_round(PLAN, RUN, 0, (client_id(0), client_id(1)), "0" * 64, NOW))
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=tmp_path)
    with create_celery(settings) as app:
        CeleryPublisher(app, app.keyring).publish(command, correlation_id="abc")
    journal = tmp_path / "journal"
    environment = os.environ | {
        "FEDFACE_REDIS_URL": broker_url,
        "FEDFACE_ARTIFACTS": "directory",
        "FEDFACE_ARTIFACT_DIRECTORY": str(tmp_path),
        "FEDFACE_TASK_TIME_LIMIT_SECONDS": "1",
        "FEDFACE_PATIENCE_SECONDS": "0.5",
        JOURNAL: str(journal),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    worker = server_processes.start([sys.executable, "-m", "support.poisoned_worker"], environment, tmp_path / "worker.log")
    try:
        wait_for("the report", lambda: bool(reports(broker)))
        wait_for("the acknowledgement", lambda: broker.hlen("unacked") == 0)
    finally:
        server_processes.kill(worker)
    assert Counter(journal.read_text().split()) == {task: MOST_IN_A_ROW}
    assert broker.llen(AGGREGATOR) == 0
    (fact,) = reports(broker)
    assert (fact["run_id"], fact["round"]) == (RUN, 0)
    assert fact["reason"] == f"{step} failed 5 times, in the end with {PROCESS_ENDED}"
    (failure,) = ledger.failures(RUN, 0)
    assert (failure.step, failure.total) == (step, MOST_IN_A_ROW)
