"""Simulated devices in whole runs: what a round does if a device does not respond, breaks off uploads, or is late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedface_control.operate.run import cancel_run
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.metrics import counter
from support.tiny_run import tiny_plan

VICTIM = "client-000003"  # the last to be asked, so that its waiting makes nobody else late
OTHERS = ["client-000000", "client-000001", "client-000002"]


def plan_where(faces: Path, cohort: dict[str, Any] | None = None, **victim: Any) -> Plan:
    """One training round in which the victim does what the test says."""
    trace = [{"client": VICTIM, "round": 1, **victim}]
    return tiny_plan(faces, rounds=1, cohort=cohort or {}, devices={"trace": trace})


def seconds_open(manifest: Manifest) -> float:
    assert manifest.round.closed_at is not None
    return (manifest.round.closed_at - manifest.round.opened_at).total_seconds()


@pytest.mark.parametrize(("silent", "event"), [({"drops_out": True}, "dropped_out"), ({"available": False}, "unavailable")])
def test_the_quorum_closes_a_round_without_a_silent_device(faces: Path, silent: dict[str, bool], event: str) -> None:
    before = counter("device_events", event=event)
    services = InProcess(plan_where(faces, {"quorum": 3}, **silent))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    manifest = services.manifest(run.id, 1)
    assert (list(manifest.accepted), manifest.failed, seconds_open(manifest)) == (OTHERS, {}, 0.0)
    assert counter("device_events", event=event) == before + 1


def test_a_silent_device_is_asked_again_and_again_and_uses_up_no_attempt(faces: Path) -> None:
    """So the deadline ends the wait, not a limit on attempts that the device never made."""
    before = counter("device_events", event="dropped_out")
    services = InProcess(plan_where(faces, {"attempts": 2, "deadline_seconds": 1000}, drops_out=True))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    manifest = services.manifest(run.id, 1)
    assert (list(manifest.accepted), manifest.failed) == (OTHERS, {})
    assert seconds_open(manifest) > 1000
    assert counter("device_events", event="dropped_out") - before > 10
    assert services.effect_log.effects.count(f"begin_attempt {run.id}") == 4 + 3


def test_a_device_takes_part_once_it_is_available(faces: Path) -> None:
    """Each device is available for 75 s in every 300 s and is asked every 61 s, so its only attempt is enough."""
    devices = {"available_fraction": 0.25, "availability_period_seconds": 300}
    before = counter("device_events", event="unavailable")
    plan = tiny_plan(faces, rounds=1, cohort={"attempts": 1}, devices=devices)
    services = InProcess(plan)
    run = services.run()
    assert run.model_sha256 == simulate(plan).model_sha256
    manifest = services.manifest(run.id, 1)
    assert (len(manifest.accepted), manifest.failed) == (4, {})
    assert 0 < seconds_open(manifest) <= 5 * 61
    assert counter("device_events", event="unavailable") > before


@pytest.mark.parametrize("selection", ["uniform", "reliable"])
def test_the_simulation_knows_who_drops_out_and_whose_uploads_break_off(faces: Path, selection: str) -> None:
    devices = {"dropout": 0.2, "upload_failure": 0.5, "upload_attempts": 2}
    cohort = {"size": 3, "minimum": 1, "deadline_seconds": 100, "selection": selection}
    plan = tiny_plan(faces, rounds=4, cohort=cohort, devices=devices, seed=2)
    services = InProcess(plan)
    run = services.run()
    assert run.model_sha256 == simulate(plan).model_sha256
    manifests = [services.manifest(run.id, number) for number in range(1, 5)]
    assert any(manifest.failed for manifest in manifests), "uploads break off"
    assert any(len(manifest.accepted) + len(manifest.failed) < 3 for manifest in manifests), "clients drop out"


def test_a_slow_device_takes_its_time(faces: Path) -> None:
    services = InProcess(plan_where(faces, seconds=45))
    assert seconds_open(services.manifest(services.run().id, 1)) == 45


def test_an_upload_that_breaks_off_is_tried_again(faces: Path) -> None:
    before = counter("device_events", event="upload_failed")
    plan = plan_where(faces, upload_failures=2)
    services = InProcess(plan)
    run = services.run()
    assert run.model_sha256 == simulate(plan).model_sha256
    assert seconds_open(services.manifest(run.id, 1)) == 1 + 2
    assert counter("device_events", event="upload_failed") == before + 2
    assert services.effect_log.effects.count(f"put {object_keys.update(run.id, 1, VICTIM)}") == 1


def test_a_client_whose_uploads_all_break_off_fails_with_the_reason(faces: Path) -> None:
    uploads_before = counter("device_events", event="upload_failed")
    failures_before = counter("updates", outcome="failed", reason="client")
    services = InProcess(plan_where(faces, upload_failures=10))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    manifest = services.manifest(run.id, 1)
    assert manifest.failed == {VICTIM: "each of 3 attempts to upload broke off"}
    assert list(manifest.accepted) == OTHERS
    assert object_keys.update(run.id, 1, VICTIM) not in services.ports.artifacts.keys("runs/")
    assert counter("device_events", event="upload_failed") == uploads_before + 3
    assert counter("updates", outcome="failed", reason="client") == failures_before + 1


def test_a_late_update_is_stored_and_refused_after_the_deadline(faces: Path) -> None:
    before = counter("updates", outcome="refused", reason="late")
    services = InProcess(plan_where(faces, {"deadline_seconds": 100}, late_seconds=100))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert list(services.manifest(run.id, 1).accepted) == OTHERS
    assert object_keys.update(run.id, 1, VICTIM) in services.ports.artifacts.keys("runs/")
    assert counter("updates", outcome="refused", reason="late") == before + 1


def test_a_late_update_counts_before_the_deadline(faces: Path) -> None:
    before = counter("device_events", event="late")
    plan = plan_where(faces, {"deadline_seconds": 101}, late_seconds=100)
    services = InProcess(plan)
    run = services.run()
    assert run.model_sha256 == simulate(plan).model_sha256
    assert seconds_open(services.manifest(run.id, 1)) == 100
    assert counter("device_events", event="late") == before + 1


def test_a_late_device_is_late_although_its_worker_was_killed(faces: Path) -> None:
    """A worker is killed after it has put the update: the next worker finds the update and still has to wait."""
    plan = plan_where(faces, late_seconds=30)
    unharmed = InProcess(plan)
    put = f"put {object_keys.update(unharmed.run().id, 1, VICTIM)}"
    services = InProcess(plan, kill_after=unharmed.effect_log.effects.index(put) + 1)
    run = services.run()
    assert seconds_open(services.manifest(run.id, 1)) == 30
    assert sum(effect.endswith(f"rounds/1/updates/{VICTIM}.safetensors") for effect in services.effect_log.effects) == 1


def test_the_worst_devices_enrol_and_then_fail_the_round(faces: Path) -> None:
    devices = {"dropout": 1, "upload_failure": 1, "lateness": 1, "lateness_seconds": 300, "available_fraction": 1e-6}
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100, "retries": 0}, devices=devices))
    run = services.run()
    assert len(services.manifest(run.id, 0).accepted) == 4
    assert (run.phase, run.failure) == (
        RunPhase.FAILED,
        "round 1: 0 updates were accepted, fewer than the minimum 1",
    )


@pytest.mark.parametrize("profile", ["phones", "flaky"])
def test_a_profile_plays_the_same_way_twice(faces: Path, profile: str) -> None:
    plan = tiny_plan(faces, rounds=4, cohort={"deadline_seconds": 400}, devices={"profile": profile}, seed=4)
    first = InProcess(plan)
    second = InProcess(plan)
    first_run = first.run()
    second_run = second.run()
    assert first_run.phase is second_run.phase is RunPhase.COMPLETED
    assert first_run.model_sha256 == second_run.model_sha256
    for number in range(5):
        one = first.manifest(first_run.id, number)
        other = second.manifest(second_run.id, number)
        assert (one.accepted, one.failed) == (other.accepted, other.failed)
    if profile == "flaky":
        accepted = [len(first.manifest(first_run.id, number).accepted) for number in range(1, 5)]
        assert min(accepted) < 4, "somebody was missing"


def test_ideal_devices_neither_wait_nor_count(faces: Path) -> None:
    events = ("unavailable", "dropped_out", "upload_failed", "late")
    before = [counter("device_events", event=event) for event in events]
    services = InProcess(tiny_plan(faces))
    started = services.clock.now()
    services.run()
    assert services.clock.now() == started
    assert [counter("device_events", event=event) for event in events] == before


def test_devices_that_wait_hold_no_worker_and_have_nothing_to_do_after_a_cancel(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, devices={"mean_seconds": 300}))
    run_id = services.start()
    started = services.clock.now()
    services.until(run_id, lambda run: run.round == 0)
    services.drain()
    assert services.clock.now() == started, "no task waited"
    assert len(services.publisher.delayed) == 4
    assert services.ports.ledger.tally(run_id, 0).unsettled == {*OTHERS, VICTIM}
    cancelled = cancel_run(services.ports, run_id)
    for _ in range(4):
        services.step()
    assert services.ports.ledger.load(run_id) == cancelled
    assert (services.publisher.published, services.publisher.delayed) == ([], {})
    assert services.ports.artifacts.keys(f"runs/{run_id}/rounds/0/updates/") == []


def test_a_wait_uses_up_no_attempt(faces: Path) -> None:
    services = InProcess(plan_where(faces, {"attempts": 1}, seconds=45, late_seconds=30))
    run = services.run()
    manifest = services.manifest(run.id, 1)
    assert ([*manifest.accepted], manifest.failed, seconds_open(manifest)) == ([*OTHERS, VICTIM], {}, 75)
