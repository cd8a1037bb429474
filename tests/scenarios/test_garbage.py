"""Garbage is exactly what nothing names: after a collection at any moment a run goes on, or can be restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fedface_control.operate.run import clone_run, create_run, delete_run
from fedface_control.upkeep.restore import restore_run
from fedface_core.adapters.memory import ManualClock
from fedface_core.contracts import object_keys
from fedface_learning.simulation.simulate import simulate
from support.garbage import collect_garbage
from support.in_process import InProcess
from support.lost_ledger import lose_run
from support.moments import lose_ledger, moments
from support.stride import Stride
from support.tiny_run import tiny_plan

HOUR = timedelta(hours=1)
SHA = "ab" * 32
GARBAGE = (
    "models/{sha}.safetensors",
    "runs/{run}/class_embeddings/{sha}.f32",
    "runs/{run}/identity_lists/{sha}.txt",
    "runs/run-00000000dead/rounds/1/updates/client-000001.safetensors",
    "runs/run-00000000dead/rounds/1/report.json",
)


def collect(services: InProcess, *, dry_run: bool = False) -> list[str]:
    return collect_garbage(services.ports, HOUR, dry_run=dry_run)


def test_what_nothing_names_is_removed_once_it_is_old(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run = services.run()
    before = services.ports.artifacts.keys("")
    keys = sorted(key.format(run=run.id, sha=SHA) for key in GARBAGE)
    for key in keys:
        services.ports.artifacts.put(key, b"left behind")
    services.clock.advance(3599)
    assert not set(collect(services)) & set(keys), "a worker may name them yet"
    services.clock.advance(1)
    assert collect(services, dry_run=True) == keys
    assert set(keys) <= set(services.ports.artifacts.keys(""))
    assert collect(services) == keys
    assert services.ports.artifacts.keys("") == before
    assert collect(services) == []


def test_an_upload_is_no_garbage_though_no_plan_names_it_yet(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    for key in (object_keys.upload(SHA), object_keys.model(SHA)):
        services.ports.artifacts.put(key, b"uploaded")
    services.clock.advance(7200)
    assert collect(services) == []


def test_a_run_that_waits_for_its_start_keeps_its_record(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    create_run(services.ports, services.plan)
    services.clock.advance(7200)
    assert collect(services) == []


def test_updates_that_the_retention_has_missed_are_garbage(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=4, retention={"rounds_of_updates": 1}))
    run = services.run()
    stray = object_keys.update(run.id, 1, "client-000001")
    services.ports.artifacts.put(stray, b"put by a worker that slept")
    services.clock.advance(7200)
    assert collect(services) == [stray]


@pytest.mark.parametrize("lost", [False, True], ids=["ledger kept", "ledger lost"])
def test_a_collection_at_any_moment_changes_nothing(faces: Path, stride: Stride, lost: bool) -> None:
    plan = tiny_plan(faces, rounds=1, split={"clients": 2}, cohort={"shard_size": 1})
    expected = simulate(plan).model_sha256
    for services, run_id in moments(plan, stride, max_steps=40):
        if lost:
            lose_ledger(services)
        services.clock.advance(7200)  # every object is old now
        collect(services)
        if lost:
            restore_run(services.ports, run_id)
        assert services.to_end(run_id).model_sha256 == expected


def test_weights_that_a_lost_run_is_to_start_from_are_no_garbage(faces: Path) -> None:
    """Only the run's own record names these weights, because the run has no manifest yet."""
    services = InProcess(tiny_plan(faces, rounds=1))
    first = services.run()
    assert first.model_sha256 is not None
    clone = clone_run(services.ports, first.id, {"model": {"weights": first.model_sha256}})
    for run_id in (clone.id, first.id):
        lose_run(services.ports.ledger, run_id)
    restore_run(services.ports, first.id)
    delete_run(services.ports, first.id, first.id)
    services.sweep_after(7200)
    assert object_keys.model(first.model_sha256) in services.ports.artifacts.keys("")
    assert collect(services) == []


def test_what_an_unreadable_run_may_name_is_no_garbage(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    run = services.run()
    lose_run(services.ports.ledger, run.id)
    services.ports.artifacts.put(object_keys.run(run.id), b"half a rec")
    services.ports.artifacts.put(object_keys.class_embeddings(run.id, SHA), b"of which round?")
    services.ports.artifacts.put(object_keys.model(SHA), b"never claimed")
    strays = sorted([GARBAGE[-1].format(), object_keys.model(SHA)])
    services.ports.artifacts.put(GARBAGE[-1].format(), b"left behind")
    before = services.ports.artifacts.keys("")
    services.clock.advance(7200)
    assert collect(services) == strays
    assert set(services.ports.artifacts.keys("")) == set(before) - set(strays)


def test_what_only_a_run_that_is_no_more_has_claimed_is_garbage(faces: Path) -> None:
    """A process was killed between a claim and its run's record, or put a model after its run was deleted."""
    services = InProcess(tiny_plan(faces))
    run = services.run()
    strays = sorted([object_keys.claim(SHA, "run-00000000dead"), object_keys.model(SHA)])
    for stray in strays:
        services.ports.artifacts.put(stray, b"")
    kept = object_keys.claim(run.model_sha256 or "", "run-00000000dead")
    services.ports.artifacts.put(kept, b"")
    services.clock.advance(7200)
    assert collect(services, dry_run=True) == sorted([kept, *strays]), "a dry run finds what a collection removes"
    assert collect(services) == sorted([kept, *strays])
    assert object_keys.model(run.model_sha256 or "") in services.ports.artifacts.keys("")


def test_two_collections_at_once_do_no_harm(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    services.run()
    before = services.ports.artifacts.keys("")
    strays = [f"runs/run-00000000dead/rounds/{number}/report.json" for number in range(10)]
    for stray in strays:
        services.ports.artifacts.put(stray, b"left behind")
    services.clock.advance(7200)
    delete_all = services.ports.artifacts.delete_all

    def be_overtaken(keys: Sequence[str]) -> None:
        with pytest.MonkeyPatch.context() as undisturbed:
            undisturbed.setattr(services.ports.artifacts, "delete_all", delete_all)
            collect(services)
        delete_all(keys)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services.ports.artifacts, "delete_all", be_overtaken)
        found = collect(services)
    assert set(found) <= set(strays)
    assert services.ports.artifacts.keys("") == before


def test_age_is_by_the_stores_clock_whatever_controls_clock_says(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    stray = GARBAGE[-1].format()
    services.ports.artifacts.put(stray, b"left behind")
    fast = ManualClock(services.clock.now() + timedelta(days=1))
    ports = replace(services.ports, clock=fast)
    assert collect_garbage(ports, HOUR, dry_run=False) == []
    services.clock.advance(3600)
    slow = ManualClock(services.clock.now() - timedelta(days=1))
    assert collect_garbage(replace(ports, clock=slow), HOUR, dry_run=False) == [stray]
