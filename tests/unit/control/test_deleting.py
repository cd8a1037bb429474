"""What is removed: all of a run that an operator deletes, and the bulk of old rounds; never what others name."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fedface_control.operate.run import cancel_run, delete_run
from fedface_control.upkeep.restore import restore_all, restore_run
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import InvalidInputError, NotFoundError, WrongPhaseError
from fedface_core.domain.run import ALLOWED, RunPhase
from support.in_process import InProcess
from support.places import in_round, run_in
from support.tiny_run import tiny_plan


def keys(services: InProcess) -> set[str]:
    return set(services.ports.artifacts.keys(""))


@pytest.mark.parametrize("confirm", [None, "", "yes", "run-00000000dead"])
def test_deleting_is_refused_without_its_confirmation(api: TestClient, services: InProcess, confirm: str | None) -> None:
    run_id = run_in(services, RunPhase.COMPLETED)
    before = services.ports.ledger.load(run_id), keys(services)
    refused = api.delete(f"/runs/{run_id}", params={} if confirm is None else {"confirm": confirm})
    assert refused.status_code == 422
    assert refused.json()["detail"].endswith(f"to confirm, send ?confirm={run_id}")
    services.sweep_after(1)
    assert (services.ports.ledger.load(run_id), keys(services)) == before


@pytest.mark.parametrize("phase", sorted(set(RunPhase) - ALLOWED["delete"] - {RunPhase.DELETING}))
def test_a_run_that_has_not_ended_is_not_deleted(services: InProcess, phase: RunPhase) -> None:
    run_id = run_in(services, phase)
    with pytest.raises(WrongPhaseError):
        delete_run(services.ports, run_id, run_id)


@pytest.mark.parametrize("phase", sorted(ALLOWED["delete"]))
def test_the_sweep_removes_all_of_a_deleted_run(api: TestClient, services: InProcess, phase: RunPhase) -> None:
    run_id = run_in(services, phase)
    deleting = api.delete(f"/runs/{run_id}", params={"confirm": run_id})
    assert (deleting.status_code, deleting.json()["phase"]) == (202, "deleting")
    assert object_keys.run(run_id) in keys(services), "the sweep does it"
    services.sweep_after(1)
    assert keys(services) == set()
    assert api.get(f"/runs/{run_id}").status_code == 404
    assert api.get(f"/runs/{run_id}/events").status_code == 404
    assert api.delete(f"/runs/{run_id}", params={"confirm": run_id}).status_code == 404
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


def test_a_deletion_killed_after_any_effect_is_finished_by_a_later_sweep(faces: Path) -> None:
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
    for last in range(1, effects + 1):
        services, run_id = ended()
        services.record_effects(last)
        services.sweep_after(1)
        if last < effects:
            assert services.ports.ledger.load(run_id).phase is RunPhase.DELETING
            services.ports.ledger.delete(run_id)  # and its ledger is lost on top: the deletion is restored
            restored, _ = restore_all(services.ports)
            assert [run.phase for run in restored] == (
                [RunPhase.DELETING] if object_keys.run(run_id) in keys(services) else []
            )
        services.sweep_after(1)
        assert keys(services) == set()
        assert services.ports.ledger.runs() == []


def test_model_versions_that_another_run_names_stay(faces: Path) -> None:
    """The same plan gives the same bytes: two runs share every model version."""
    services = InProcess(tiny_plan(faces, rounds=1))
    first, second = services.run(), services.run()
    other = InProcess(tiny_plan(faces, rounds=1, seed=9), ledger=services.ports.ledger, artifacts=services.ports.artifacts)
    third = other.run()
    assert first.model_sha256 == second.model_sha256 != third.model_sha256
    delete_run(services.ports, first.id, first.id)
    services.sweep_after(1)
    named = {manifest.round.model_sha256 for manifest in (services.manifest(second.id, number) for number in (0, 1))}
    named |= {second.model_sha256 or "", third.model_sha256 or ""}
    assert {object_keys.model(sha) for sha in named} <= keys(services)
    delete_run(services.ports, second.id, second.id)
    services.sweep_after(1)
    assert object_keys.model(second.model_sha256 or "") not in keys(services)
    for number in (0, 1):
        manifest = services.manifest(third.id, number)
        assert object_keys.model(manifest.round.model_sha256) in keys(services)


def test_model_versions_stay_that_only_the_manifests_of_a_lost_run_name(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    deleted, lost = services.run(), services.run()
    services.ports.ledger.delete(lost.id)
    delete_run(services.ports, deleted.id, deleted.id)
    services.sweep_after(1)
    assert restore_run(services.ports, lost.id).model_sha256 == lost.model_sha256
    assert object_keys.model(lost.model_sha256 or "") in keys(services)


def test_an_uploaded_model_stays_and_so_does_what_a_plan_starts_from(api: TestClient, services: InProcess) -> None:
    run = services.run()
    model = services.ports.artifacts.get(object_keys.model(run.model_sha256 or ""))
    assert sha256(model).hexdigest() == run.model_sha256
    assert api.put(f"/models/{run.model_sha256}", content=model).status_code == 201
    enrolled_from = services.manifest(run.id, 0).round.model_sha256
    waiting = api.post(f"/runs/{run.id}/clone", json={"model": {"weights": enrolled_from}}).json()["id"]
    delete_run(services.ports, run.id, run.id)
    services.sweep_after(1)
    stay = {object_keys.model(run.model_sha256 or ""), object_keys.model(enrolled_from)}
    assert stay <= keys(services)
    assert services.ports.ledger.load(waiting).phase is RunPhase.CREATED


@pytest.mark.parametrize(("keep", "kept"), [(1, {4}), (2, {3, 4}), (100, {0, 1, 2, 3, 4})])
def test_updates_of_old_rounds_are_removed_and_results_stay(faces: Path, keep: int, kept: set[int]) -> None:
    services = InProcess(tiny_plan(faces, rounds=4, retention={"rounds_of_updates": keep}))
    run = services.run()
    for number in range(5):
        found = {object_keys.kind(key) for key in services.ports.artifacts.keys(f"runs/{run.id}/rounds/{number}/")}
        assert found == {"manifest", "report", "aggregation"} | ({"update", "partial"} if number in kept else set())
        aggregation = services.manifest(run.id, number).round.aggregation
        assert aggregation is not None
        assert object_keys.model(aggregation.model_sha256) in keys(services)
        assert object_keys.class_embeddings(run.id, aggregation.class_embeddings_sha256) in keys(services)
    assert run.updates_kept_from == max(0, 5 - keep)


def test_updates_go_only_once_their_rounds_manifest_is_there(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=3, retention={"rounds_of_updates": 1}))
    run_id = services.start()
    while services.ports.ledger.load(run_id).phase is not RunPhase.COMPLETED:
        services.step()
        for done in services.ports.ledger.rounds(run_id):
            updates = services.ports.artifacts.keys(object_keys.bulk(run_id, done.number)[0])
            accepted = services.ports.ledger.accepted(run_id, done.number)
            if len(updates) < len(accepted):
                key = object_keys.manifest(run_id, done.number)
                assert dict(Manifest.model_validate_json(services.ports.artifacts.get(key)).accepted) == dict(accepted)


def test_no_id_but_the_runs_own_confirms(services: InProcess) -> None:
    one, other = run_in(services, RunPhase.CREATED), run_in(services, RunPhase.CREATED)
    with pytest.raises(InvalidInputError, match=f"to confirm, send \\?confirm={one}"):
        delete_run(services.ports, one, other)
