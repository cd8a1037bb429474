"""What is removed of old rounds and of deleted runs; never what others name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fedface_control.operate.run import delete_run
from fedface_control.upkeep.restore import restore_run
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_core.ports import NothingSigned
from support.garbage import collect_garbage
from support.in_process import InProcess
from support.lost_ledger import lose_run
from support.places import in_round
from support.tiny_run import tiny_plan


def keys(services: InProcess) -> set[str]:
    return set(services.ports.artifacts.keys(""))


def test_model_versions_that_another_run_names_stay(faces: Path) -> None:
    """The same plan gives the same bytes: two runs share every model version."""
    services = InProcess(tiny_plan(faces, rounds=1))
    first = services.run()
    second = services.run()
    ports = services.ports
    other_plan = tiny_plan(faces, rounds=1, seed=9)
    other = InProcess(other_plan, clock=services.clock, ledger=ports.ledger, artifacts=services.store)
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
    deleted = services.run()
    lost = services.run()
    lose_run(services.ports.ledger, lost.id)
    delete_run(services.ports, deleted.id, deleted.id)
    services.sweep_after(1)
    assert restore_run(services.ports, lost.id).model_sha256 == lost.model_sha256
    assert object_keys.model(lost.model_sha256 or "") in keys(services)


def test_an_uploaded_model_stays_and_so_does_what_a_plan_starts_from(api: TestClient, services: InProcess) -> None:
    run = services.run()
    model = services.ports.artifacts.get(object_keys.model(run.model_sha256 or ""))
    assert sha256(model).hexdigest() == run.model_sha256
    assert api.put(f"/v1/models/{run.model_sha256}", content=model).status_code == 201
    enrolled_from = services.manifest(run.id, 0).round.model_sha256
    waiting = api.post(f"/v1/runs/{run.id}/clone", json={"model": {"weights": enrolled_from}}).json()["id"]
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
        assert object_keys.class_embeddings(run.id, aggregation.class_embeddings_sha256 or "") in keys(services)
    assert run.updates_kept_from == max(0, 5 - keep)


def test_rows_that_only_old_rounds_have_read_go(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=4, retention={"rounds_of_updates": 1}))
    run = services.run()
    rows = services.ports.artifacts.keys(object_keys.rows(run.id))
    newest = services.ports.ledger.round_state(run.id, 4)
    assert newest.aggregation is not None
    expected = {newest.class_embeddings_sha256, newest.aggregation.class_embeddings_sha256}
    assert {object_keys.parse_row_key(key) for key in rows} == expected


def test_rows_that_no_record_names_yet_stay_and_are_garbage_if_none_ever_does(faces: Path) -> None:
    """A reduction puts its rows before anybody hears of them: old updates may be removed in that moment."""
    services = InProcess(tiny_plan(faces, rounds=3, retention={"rounds_of_updates": 1}))
    run_id = services.start()
    services.until(run_id, in_round(services, 2, RoundPhase.OPEN))
    just_put = object_keys.row(run_id, "f" * 64, "client-000000")
    services.ports.artifacts.put(just_put, b"row")
    assert services.to_end(run_id).updates_kept_from == 3
    assert just_put in keys(services)
    assert collect_garbage(services.ports, timedelta(0), dry_run=False) == [just_put]


def test_updates_go_only_once_their_rounds_manifest_is_there(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=3, retention={"rounds_of_updates": 1}))
    run_id = services.start()
    while services.ports.ledger.load(run_id).phase is not RunPhase.COMPLETED:
        services.step()
        for done in services.ports.ledger.rounds(run_id):
            updates = services.ports.artifacts.keys(object_keys.transient_prefixes(run_id, done.number)[0])
            accepted = services.ports.ledger.accepted(run_id, done.number)
            if len(updates) < len(accepted):
                key = object_keys.manifest(run_id, done.number)
                assert dict(Manifest.model_validate_json(services.ports.artifacts.get(key)).accepted) == dict(accepted)


@pytest.mark.parametrize("hours", [24, -24])
def test_the_models_of_a_deleted_run_go_whatever_the_ledgers_clock_is(faces: Path, hours: float) -> None:
    """The store dates a model by its own clock. If the ledger's is behind, the model is no newer for that."""
    services = InProcess(tiny_plan(faces, rounds=1))
    store_clock = ManualClock(services.clock.now() + timedelta(hours=hours))
    services.ports = replace(services.ports, artifacts=MemoryArtifacts(store_clock), signatures=NothingSigned())
    services.restart_services()
    run = services.run()
    delete_run(services.ports, run.id, run.id)
    services.sweep_after(1)
    assert keys(services) == {object_keys.EARLIER_RUNS}
