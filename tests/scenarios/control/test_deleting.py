"""A deleted run leaves nothing, whatever happens meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fedface_control.operate.run import cancel_run, delete_run
from fedface_control.upkeep.restore import restore_all, restore_run
from fedface_control.upkeep.retention import LATE_AFTER
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import ALLOWED, RunPhase
from support.in_process import InProcess
from support.lost_ledger import lose_run
from support.places import in_round, run_in
from support.stride import Stride
from support.tiny_run import tiny_plan


def keys(services: InProcess) -> set[str]:
    """Every key of the store but the one that outlives all runs."""
    return {*services.ports.artifacts.keys("")} - {object_keys.EARLIER_RUNS}


@pytest.mark.parametrize("confirm", [None, "", "yes", "run-00000000dead"])
def test_deleting_is_refused_without_its_confirmation(api: TestClient, services: InProcess, confirm: str | None) -> None:
    run_id = run_in(services, RunPhase.COMPLETED)
    before = services.ports.ledger.load(run_id), keys(services)
    refused = api.delete(f"/v1/runs/{run_id}", params={} if confirm is None else {"confirm": confirm})
    assert refused.status_code == 422
    detail = refused.json()["detail"]
    assert detail == "query.confirm: is required" if confirm is None else detail.endswith(f"send ?confirm={run_id}")
    services.sweep_after(1)
    assert (services.ports.ledger.load(run_id), keys(services)) == before


@pytest.mark.parametrize("phase", sorted(ALLOWED["delete"]))
def test_the_sweep_removes_all_of_a_deleted_run(api: TestClient, services: InProcess, phase: RunPhase) -> None:
    run_id = run_in(services, phase)
    deleting = api.delete(f"/v1/runs/{run_id}", params={"confirm": run_id})
    assert (deleting.status_code, deleting.json()["phase"]) == (202, "deleting")
    assert object_keys.run(run_id) in keys(services), "the sweep does it"
    services.sweep_after(1)
    assert keys(services) == set()
    assert api.get(f"/v1/runs/{run_id}").status_code == 404
    assert api.get(f"/v1/runs/{run_id}/events").status_code == 404
    assert api.delete(f"/v1/runs/{run_id}", params={"confirm": run_id}).status_code == 404
    with pytest.raises(NotFoundError):
        restore_run(services.ports, run_id)
    assert restore_all(services.ports) == ([], {})


def test_messages_that_come_after_the_deletion_leave_nothing(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, 1))
    cancel_run(services.ports, run_id)
    delete_run(services.ports, run_id, run_id)
    late = list(services.publisher.published)
    services.sweep_after(1)
    for message in late:
        with pytest.raises(NotFoundError):
            services.deliver(*message)
    assert keys(services) == set()


def test_a_deletion_killed_after_any_effect_is_finished_by_a_later_sweep(faces: Path, stride: Stride) -> None:
    """Nothing it needs to know is removed before what it is needed for."""
    plan = tiny_plan(faces, split={"clients": 2}, cohort={"shard_size": 1}, rounds=1)

    def ended() -> tuple[InProcess, str]:
        services = InProcess(plan)
        run_id = services.run().id
        delete_run(services.ports, run_id, run_id)
        return services, run_id

    services, _ = ended()
    services.record_effects(None)
    services.sweep_after(1)
    effects = len(services.effect_log.effects)
    assert effects > 15
    for last in stride.of(range(1, effects + 1)):
        services, run_id = ended()
        services.record_effects(last)
        services.sweep_after(1)
        if last < effects:
            assert services.ports.ledger.load(run_id).phase is RunPhase.DELETING
            lose_run(services.ports.ledger, run_id)  # and its ledger is lost on top: the deletion is restored
            restored, _ = restore_all(services.ports)
            assert [run.phase for run in restored] == (
                [RunPhase.DELETING] if object_keys.run(run_id) in keys(services) else []
            )
        services.sweep_after(1)
        assert keys(services) == set()
        assert services.ports.ledger.runs() == []


def test_what_comes_late_for_a_deleted_run_is_removed_an_hour_later(services: InProcess) -> None:
    """A worker that trained a client while the run was deleted puts its update afterwards, and cannot remove it."""
    run_id = run_in(services, RunPhase.COMPLETED)
    other = services.start()
    services.until(other, in_round(services, 1))
    kept = {key for key in keys(services) if other in key}
    delete_run(services.ports, run_id, run_id)
    services.sweep_after(1)
    late = object_keys.update(run_id, 1, client_id(0))
    services.ports.artifacts.put(late, b"of a face")
    services.sweep_after(LATE_AFTER.total_seconds() - 10)
    assert late in keys(services)
    services.sweep_after(20)
    assert not [key for key in keys(services) if run_id in key]
    assert kept <= keys(services)
    services.ports.artifacts.put(late, b"of a face")
    services.sweep_after(LATE_AFTER.total_seconds())
    assert late in keys(services), "once is enough: then no task of the run is left"
