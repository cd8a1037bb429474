"""Who did what: the owner of a run, the actor in its audit trail, and idempotency keys that belong to one actor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fedface_core.adapters.memory import MemoryApiKeys
from fedface_core.domain.plan import Plan
from fedface_core.domain.role import Role
from fedface_core.domain.run import Run
from support.in_process import InProcess
from support.lost_ledger import lose
from support.signing_in import FIRST_KEY, bearer, client_of, closed_sign_in, key_for

ANN = "key:ann"
BEN = "key:ben"


@pytest.fixture
def keys() -> MemoryApiKeys:
    return MemoryApiKeys()


@pytest.fixture
def api(services: InProcess, keys: MemoryApiKeys) -> Iterator[TestClient]:
    with client_of(closed_sign_in(keys=keys), services.ports) as client:
        yield client


@pytest.fixture
def post(api: TestClient, keys: MemoryApiKeys) -> Callable[..., Any]:
    """Posts as ann or as ben, both operators."""
    tokens = {name: key_for(keys, name.removeprefix("key:"), [Role.OPERATOR]) for name in (ANN, BEN)}

    def send(actor: str, path: str, key: str | None = None, json: Any = None) -> Any:
        headers = bearer(tokens[actor]) | ({} if key is None else {"Idempotency-Key": key})
        return api.post(path, headers=headers, json=json)

    return send


def test_a_run_belongs_to_who_created_it(services: InProcess, post: Callable[..., Any], plan: Plan) -> None:
    created = post(ANN, "/v1/runs", json=plan.model_dump(mode="json")).json()
    assert created["owner"] == ANN
    clone = post(BEN, f"/v1/runs/{created['id']}/clone", json={}).json()
    assert (clone["owner"], clone["cloned_from"]) == (BEN, created["id"])
    assert services.ports.ledger.load(created["id"]).owner == ANN


def test_the_audit_trail_names_who_did_what(services: InProcess, post: Callable[..., Any], plan: Plan) -> None:
    run = post(ANN, "/v1/runs", json=plan.model_dump(mode="json")).json()["id"]
    for actor, action in ((BEN, "start"), (ANN, "pause?now=true"), (BEN, "resume"), (ANN, "pause"), (BEN, "cancel")):
        assert post(actor, f"/v1/runs/{run}/{action}").status_code == 200
    trail = [(event.name, event.data.get("actor")) for event in services.ports.ledger.events(run)]
    asked_for = [found for found in trail if found[1] is not None]
    assert asked_for == [
        ("run_created", ANN),
        ("run_started", BEN),
        ("run_paused", ANN),
        ("run_resumed", BEN),
        ("run_pausing", ANN),
        ("run_cancelled", BEN),
    ]


def test_what_control_does_by_itself_has_no_actor(services: InProcess, post: Callable[..., Any], plan: Plan) -> None:
    run = post(ANN, "/v1/runs", json=plan.model_dump(mode="json")).json()["id"]
    post(ANN, f"/v1/runs/{run}/start")
    services.until(run, lambda state: state.round == 1)
    names = {event.name for event in services.ports.ledger.events(run) if "actor" in event.data}
    assert names == {"run_created", "run_started"}


def test_steering_a_round_is_told_too(services: InProcess, post: Callable[..., Any], plan: Plan) -> None:
    run = post(ANN, "/v1/runs", json=plan.model_dump(mode="json")).json()["id"]
    post(ANN, f"/v1/runs/{run}/start")
    services.until(run, lambda state: state.round == 1)
    assert post(BEN, f"/v1/runs/{run}/rounds/1/skip-evaluation").status_code == 200
    assert post(BEN, f"/v1/runs/{run}/rounds/1/retry").status_code == 200
    trail = {event.name: event.data.get("actor") for event in services.ports.ledger.events(run)}
    assert (trail["evaluation_skipped"], trail["round_abandoned"]) == (BEN, BEN)


def test_deleting_and_restoring_are_told(services: InProcess, api: TestClient, post: Callable[..., Any], plan: Plan) -> None:
    run = post(ANN, "/v1/runs", json=plan.model_dump(mode="json")).json()["id"]
    lose(services, run)
    assert api.post(f"/v1/runs/{run}/restore", headers=bearer(FIRST_KEY)).json()["owner"] == ANN
    assert api.delete(f"/v1/runs/{run}?confirm={run}", headers=bearer(FIRST_KEY)).status_code == 202
    trail = [(event.name, event.data.get("actor")) for event in services.ports.ledger.events(run)]
    assert trail == [("run_restored", "key:first"), ("run_deleting", "key:first")]


def test_two_actors_with_one_idempotency_key_never_meet(post: Callable[..., Any], plan: Plan) -> None:
    body = plan.model_dump(mode="json")
    anns, again, bens = (post(actor, "/v1/runs", "monday", body).json()["id"] for actor in (ANN, ANN, BEN))
    assert anns == again != bens
    assert post(ANN, f"/v1/runs/{anns}/start", "go").json()["phase"] == "preparing"
    assert post(ANN, f"/v1/runs/{anns}/start", "go").status_code == 200, "the same request again"
    assert post(BEN, f"/v1/runs/{anns}/start", "go").status_code == 409, "another request: of ben"
    assert post(BEN, f"/v1/runs/{anns}/cancel", "go").status_code == 200, "and not the key of ann, used for something else"


def test_a_key_used_for_two_things_is_shown_as_it_was_sent(post: Callable[..., Any], plan: Plan) -> None:
    run = post(ANN, "/v1/runs", "monday", plan.model_dump(mode="json")).json()["id"]
    post(ANN, f"/v1/runs/{run}/start", "go")
    refused = post(ANN, f"/v1/runs/{run}/cancel", "go")
    assert refused.status_code == 422
    assert "the idempotency key 'go' was used for 'start'" in refused.json()["detail"]
    other = plan.model_copy(update={"rounds": 7}).model_dump(mode="json")
    assert "the idempotency key 'monday' created" in post(ANN, "/v1/runs", "monday", other).json()["detail"]


def test_a_run_of_before_there_were_owners_is_read(services: InProcess) -> None:
    run = services.ports.ledger.load(services.start())
    older = run.model_dump(mode="json")
    assert "owner" not in older
    assert Run.model_validate(older) == run
    assert run.owner is None


def test_the_owner_is_kept_in_the_record(services: InProcess) -> None:
    run = services.ports.ledger.load(services.start()).model_copy(update={"owner": ANN})
    assert Run.model_validate_json(run.model_dump_json()) == run
