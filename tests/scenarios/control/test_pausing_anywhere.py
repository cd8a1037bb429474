"""Wherever in a run its pause comes, the model is that of a run that was never paused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_control.operate.run import pause_run, resume_run
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ALLOWED, RunPhase
from support.in_process import InProcess
from support.pausing import LONG, check_ends_as_simulated, check_stands_still
from support.stride import Stride
from support.tiny_run import tiny_plan


def steps_of(plan: Plan) -> int:
    services = InProcess(plan)
    steps = 0
    run_id = services.start()
    while services.ports.ledger.load(run_id).phase is not RunPhase.COMPLETED:
        services.step()
        steps += 1
    return steps


@pytest.mark.parametrize("now", [False, True], ids=["drained", "now"])
def test_the_model_is_the_same_whenever_the_pause_comes(faces: Path, stride: Stride, now: bool) -> None:
    plan = tiny_plan(faces, split={"clients": 2}, cohort={"shard_size": 1, "deadline_seconds": 5000}, rounds=2)
    steps = steps_of(plan)
    assert steps > 20
    for at in stride.of(range(steps)):
        services = InProcess(plan)
        run_id = services.start()
        for _ in range(at):
            services.step()
        assert services.ports.ledger.load(run_id).phase in ALLOWED["pause"]
        pause_run(services.ports, run_id, now=now)
        services.drain()
        if services.ports.ledger.load(run_id).phase is not RunPhase.COMPLETED:  # the round in flight was the last one
            check_stands_still(services, run_id)
            resume_run(services.ports, run_id)
        check_ends_as_simulated(services, run_id)


def test_a_run_may_be_paused_again_and_again(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 5000, "attempts": 2}))
    run_id = services.start()
    pauses = 0
    while services.ports.ledger.load(run_id).phase in ALLOWED["pause"]:
        pause_run(services.ports, run_id, now=True)
        services.clock.advance(LONG)
        resume_run(services.ports, run_id)
        for _ in range(6):  # more than one resumption publishes, or the messages would only grow in number
            services.step()
        pauses += 1
        assert pauses < 30
    assert pauses > 5
    check_ends_as_simulated(services, run_id)
