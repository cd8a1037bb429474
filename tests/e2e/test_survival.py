"""A run on the local stack survives that it is paused, that everything is killed, and that its ledger is lost."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from fedface_cli.api_client import ControlApi
from fedface_core.contracts.http import RunDetail
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED, RunPhase
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from fedface_stack.stack import LocalStack
from loadtest.bench.no_op_plan import no_op_plan

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # many processes import torch, perhaps on a busy machine

# Long enough for a pause to find it at work.
PLAN = Plan.model_validate(no_op_plan(clients=10, rounds=2) | {"local_training": {"steps": 10, "learning_rate": 0.01}})
SOON_REPEATING = {"FEDFACE_SWEEP_SECONDS": "0.5", "FEDFACE_REPEAT_AFTER_SECONDS": "4"}


def until(api: ControlApi, run_id: str, phase: RunPhase) -> RunDetail:
    deadline = time.monotonic() + 120
    while (run := api.run(run_id)).phase is not phase:
        assert run.phase not in ENDED, f"{run.phase}: {run.failure}"
        assert time.monotonic() < deadline, f"{run_id} is still {run.phase}"
        time.sleep(0.05)
    return run


def kill_everything(stack: LocalStack) -> None:
    for name in list(stack.processes):
        stack.kill(name)
    stack.stop()


def test_a_paused_run_survives_the_kill_of_everything_and_the_loss_of_its_ledger(tmp_path: Path) -> None:
    """That the ledger outlives a kill is the chaos scenario's to show: Redis is killed there as well."""
    first = LocalStack(tmp_path, client_workers=2, environment=SOON_REPEATING)
    first.start()
    try:
        with ControlApi(first.api_url) as api:
            run_id = api.start(api.create(PLAN).id).id
            while (run := api.run(run_id)).finished_rounds < 1 or run.round_phase != "open":
                assert run.phase not in ENDED, "it was not paused in time"
                time.sleep(0.02)
            paused = api.pause(run_id, now=True)
            assert (paused.phase, paused.round_phase) == ("paused", "suspended")
    finally:
        kill_everything(first)

    shutil.rmtree(tmp_path / "valkey")
    restoring = SOON_REPEATING | {"FEDFACE_RESTORE_ON_START": "true"}
    with LocalStack(tmp_path, client_workers=2, environment=restoring) as second, ControlApi(second.api_url) as api:
        assert until(api, run_id, RunPhase.PAUSED).finished_rounds == 1
        api.resume(run_id)
        completed = until(api, run_id, RunPhase.COMPLETED)
        events = [event.name for event in api.events(run_id) if event.name != "progress"]
    assert events[0] == "run_restored"
    assert completed.stopped_because == "2 of 2 rounds are finished"

    use_deterministic_torch(1)
    assert completed.model_sha256 == simulate(PLAN).model_sha256
