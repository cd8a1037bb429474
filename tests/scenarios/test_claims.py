"""A run claims a model version before anything names it, so a deletion that asks the claims alone removes nothing needed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from fedface_control.operate.run import clone_run, create_run, delete_run, start_run
from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from fedface_learning.simulation.simulate import simulate
from support.claimed_models import models_of_nobody, unclaimed
from support.in_process import InProcess
from support.moments import lose_ledger, moments
from support.stride import Stride
from support.tiny_run import tiny_plan


@pytest.mark.parametrize(
    "changes",
    [{}, {"model": {"centring": True}}, {"aggregation": {"mode": "asynchronous"}, "cohort": {"quorum": 2}, "rounds": 3}],
    ids=["synchronous", "centred", "asynchronous"],
)
def test_whatever_a_run_names_at_any_moment_is_claimed(faces: Path, stride: Stride, changes: dict[str, object]) -> None:
    for services, _ in moments(tiny_plan(faces, **changes), stride):
        assert unclaimed(services.ports) == set()
        assert models_of_nobody(services.ports) == set()
        lose_ledger(services)
        assert unclaimed(services.ports) == set()


def test_whatever_a_run_names_is_claimed_though_a_process_is_killed_after_any_effect(faces: Path, stride: Stride) -> None:
    plan = tiny_plan(faces, split={"clients": 2}, cohort={"shard_size": 1}, rounds=1)
    unharmed = InProcess(plan)
    unharmed.run()
    for last_effect in stride.of(range(1, len(unharmed.effect_log.effects) + 1)):
        services = InProcess(plan, kill_after=last_effect)
        run_id = services.start()
        while not services.effect_log.kills:
            services.step()
        assert unclaimed(services.ports) == set()
        assert models_of_nobody(services.ports) == set()
        services.to_end(run_id)
        assert unclaimed(services.ports) == set()


def test_runs_of_an_earlier_version_are_deleted_and_leave_what_others_name(faces: Path) -> None:
    """Their stores have no claims: two runs of one plan share all models, and a third starts from what they have made."""
    services = InProcess(tiny_plan(faces, rounds=1))
    first = services.run()
    second = services.run()
    assert first.model_sha256 is not None
    clone = clone_run(services.ports, first.id, {"model": {"weights": first.model_sha256}})
    services.ports.artifacts.delete_all(services.ports.artifacts.keys(object_keys.CLAIMS))
    models = services.ports.artifacts.keys(object_keys.MODELS)
    delete_run(services.ports, first.id, first.id)
    services.sweep_after(1)
    assert services.ports.artifacts.keys(object_keys.MODELS) == models
    delete_run(services.ports, second.id, second.id)
    services.sweep_after(1)
    assert services.ports.artifacts.keys(object_keys.MODELS) == [object_keys.model(first.model_sha256)]
    start_run(services.ports, clone.id)
    assert services.to_end(clone.id).phase is RunPhase.COMPLETED


def test_weights_that_only_a_deleted_run_started_from_go_with_it(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    first = services.run()
    clone = clone_run(services.ports, first.id, {"model": {"weights": first.model_sha256}})
    delete_run(services.ports, first.id, first.id)
    services.sweep_after(1)
    delete_run(services.ports, clone.id, clone.id)
    services.sweep_after(1)
    assert services.ports.artifacts.keys("") == [object_keys.EARLIER_RUNS]


def delete_two_at_once(faces: Path, before: int) -> bool:
    """Delete two runs of one plan in a sweep that another one overtakes ``before`` one of its effects. Whether it did."""
    plan = tiny_plan(faces, split={"clients": 2}, cohort={"shard_size": 1}, rounds=1)
    services = InProcess(plan)
    other = InProcess(plan, ledger=services.ports.ledger, artifacts=services.ports.artifacts)
    for run_id in (services.run().id, services.run().id):
        delete_run(services.ports, run_id, run_id)
    services.record_effects(None)
    approached = 0

    def overtake(_effect: str) -> None:
        nonlocal approached
        approached += 1
        if approached == before:
            other.sweep_after(1)

    services.effect_log.before_effect = overtake  # type: ignore[method-assign, assignment]
    services.sweep_after(1)
    assert services.ports.ledger.runs() == []
    assert services.ports.artifacts.keys("") == [object_keys.EARLIER_RUNS]
    return approached >= before


def test_two_runs_that_are_deleted_at_once_leave_none_of_their_models(faces: Path, stride: Stride) -> None:
    moments = stride.of(itertools.count(1))
    reached = next(before for before in moments if not delete_two_at_once(faces, before))
    assert reached > 20


def test_a_run_of_the_same_plan_that_goes_on_during_a_deletion_keeps_its_models(faces: Path) -> None:
    """It claims each model before it puts it. Only between the last look at the claims and the removal could it be late."""
    plan = tiny_plan(faces, split={"clients": 2}, cohort={"shard_size": 1}, rounds=1)
    expected = simulate(plan).model_sha256
    for steps in range(12):
        services = InProcess(plan)
        deleted = services.run()
        going_on = create_run(services.ports, plan)
        start_run(services.ports, going_on.id)
        for _ in range(steps):
            services.step()
        delete_run(services.ports, deleted.id, deleted.id)
        services.sweep_after(1)
        assert unclaimed(services.ports) == set()
        assert services.to_end(going_on.id).model_sha256 == expected


def test_a_damaged_aggregation_does_not_keep_its_run_from_being_deleted(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    run = services.run()
    (key, _) = (key for key in services.ports.artifacts.keys(object_keys.run_folder(run.id)) if "/aggregations/" in key)
    services.ports.artifacts.put(key, b"half an aggreg")
    delete_run(services.ports, run.id, run.id)
    services.sweep_after(1)
    assert services.ports.ledger.runs() == []
    assert services.ports.artifacts.keys("") == [object_keys.EARLIER_RUNS], "the ledger names the models, too"
