"""Encoded updates on the services: the bytes of the simulation, whatever happens to messages and processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run, RunPhase
from support.in_process import Disorder, InProcess
from support.metrics import counter
from support.places import simulated
from support.stride import Stride
from support.tiny_run import tiny_plan

TOP_K = {"name": "top-k", "share": 0.2}
ENCODINGS: list[Any] = [
    "float16",
    {"name": "float16", "error_feedback": True},
    "int8",
    {"name": "int8", "error_feedback": False},
    TOP_K,
    {**TOP_K, "error_feedback": False},
]


def encoded_plan(faces: Path, encoding: Any = TOP_K, **changes: Any) -> Plan:
    return tiny_plan(faces, update_encoding=encoding, **{"rounds": 3} | changes)


def assert_as_simulated(services: InProcess, run: Run) -> None:
    expected = simulated(services.plan)
    assert (run.phase, run.failure, run.model_sha256) == (RunPhase.COMPLETED, None, expected.model_sha256)
    for done in expected.rounds:
        assert services.manifest(run.id, done.number).round.aggregation == done.aggregation


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_the_stack_computes_what_the_simulation_does(faces: Path, encoding: Any) -> None:
    services = InProcess(encoded_plan(faces, encoding), Disorder(4, reorder=True, duplicate=0.2, drop=0.1, stray_sweep=0.1))
    assert_as_simulated(services, services.run())


@pytest.mark.parametrize(
    "changes",
    [
        {"cohort": {"size": 2, "shard_size": 1}, "rounds": 5},
        {"strategy": "fedaws", "aggregation": {"optimiser": "adam"}},
        {"model": {"centring": True}},
        {
            "model": {
                "architecture": "mobilefacenet",
                "height": 16,
                "width": 16,
                "channels": 3,
                "widths": [2, 2, 2],
            }
        },
    ],
    ids=["drawn cohorts", "uploads beside it", "a centre", "statistics"],
)
def test_other_plans_agree_too(faces: Path, changes: dict[str, Any]) -> None:
    services = InProcess(encoded_plan(faces, **changes), Disorder(2, reorder=True))
    assert_as_simulated(services, services.run())


def test_changes_of_older_models_are_folded_asynchronously(faces: Path) -> None:
    changes = {"cohort": {"size": 3, "quorum": 2, "shard_size": 2}, "aggregation": {"mode": "asynchronous"}}
    services = InProcess(
        encoded_plan(faces, {"name": "int8", "error_feedback": False}, **changes), Disorder(1, reorder=True)
    )
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    stale = 0
    for number in range(1, 4):
        done = services.manifest(run.id, number).round
        assert done.aggregation is not None
        assert done.aggregation.refused == {}
        stale += len(done.carried)
    assert stale > 0


def test_error_feedback_makes_another_model_and_float32_the_one_it_always_made(faces: Path) -> None:
    models = [simulated(encoded_plan(faces, encoding)).model_sha256 for encoding in ["float32", *ENCODINGS]]
    assert len(set(models)) == len(models)
    assert models[0] == simulated(tiny_plan(faces, rounds=3)).model_sha256


def test_a_service_may_be_killed_after_any_effect(faces: Path, stride: Stride) -> None:
    """The killed process's message comes again after every second effect, and is lost after the others.

    `test_one_model` has both for each effect.
    """
    plan = encoded_plan(faces, split={"clients": 2}, cohort={"shard_size": 1}, rounds=2)
    services = InProcess(plan)
    services.run()
    effects = services.effect_log.effects
    assert sum("residuals/" in effect for effect in effects) == 4
    for number in stride.of(range(1, len(effects) + 1)):
        services = InProcess(plan, kill_after=number, redeliver=number % 2 == 0)
        assert_as_simulated(services, services.run())


def test_the_uploaded_bytes_are_reported_and_counted(faces: Path) -> None:
    before = counter("update_bytes", encoding="int8")
    services = InProcess(encoded_plan(faces, "int8"))
    run = services.run()
    reported = []
    for number in range(4):
        manifest = services.manifest(run.id, number)
        assert manifest.round.aggregation is not None
        reported.append(manifest.round.aggregation.uploaded_bytes)
        assert reported[-1] == sum(update.size for update in manifest.accepted.values())
    assert counter("update_bytes", encoding="int8") - before == sum(reported[1:])
