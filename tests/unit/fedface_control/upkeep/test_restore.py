"""Which runs are restored, and which are not."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from fedface_control.upkeep.restore import restore_all, restore_run
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import NotFoundError, WrongPhaseError
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess
from support.lost_ledger import lose, lose_run
from support.places import run_in


def test_a_run_that_is_there_is_not_restored(api: TestClient, services: InProcess) -> None:
    run_id = run_in(services, RunPhase.RUNNING)
    before = services.ports.ledger.load(run_id)
    refused = api.post(f"/v1/runs/{run_id}/restore")
    assert refused.status_code == 409
    assert refused.json()["detail"] == f"{run_id} is in the ledger: there is nothing to restore"
    assert services.ports.ledger.load(run_id) == before


def test_a_run_of_which_the_store_knows_nothing_is_not_found(services: InProcess) -> None:
    with pytest.raises(NotFoundError, match="the artifact store has no record of run-00000000dead"):
        restore_run(services.ports, "run-00000000dead")


def test_all_lost_runs_come_back_and_no_others(api: TestClient, services: InProcess) -> None:
    kept = run_in(services, RunPhase.RUNNING)
    lost = [services.start(), run_in(services, RunPhase.COMPLETED)]
    for run_id in lost:
        lose_run(services.ports.ledger, run_id)
    services.ports.artifacts.put(object_keys.update("run-00000000dead", 1, "client-000000"), b"of a run without a record")
    restored = api.post("/v1/restore").json()["runs"]
    assert sorted(run["id"] for run in restored) == sorted(lost)
    assert {run.id for run in services.ports.ledger.runs()} == {kept, *lost}
    assert restore_all(services.ports) == ([], {})
    with pytest.raises(WrongPhaseError):
        restore_run(services.ports, kept)


def test_one_run_that_cannot_be_read_does_not_keep_the_others_from_coming_back(api: TestClient, services: InProcess) -> None:
    good, damaged, foreign = (services.start() for _ in range(3))
    for run_id in (good, damaged, foreign):
        lose(services, run_id)
    services.ports.artifacts.put(object_keys.run(damaged), b"half a rec")
    record = json.loads(services.ports.artifacts.get(object_keys.run(foreign)))
    services.ports.artifacts.put(object_keys.run(foreign), json.dumps(record | {"schema_version": 9}).encode())
    answer = api.post("/v1/restore").json()
    assert [run["id"] for run in answer["runs"]] == [good]
    assert answer["refused"].keys() == {damaged, foreign}
    assert answer["refused"][damaged].startswith("this is no Run: Invalid JSON")
    assert answer["refused"][foreign].startswith("schema version 9 of Run is not known here: this FedFace reads version 3")
