"""A request that arrives twice, or at the same time as another, is carried out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from fedface_control.operate.run import cancel_run, create_run, pause_run, start_run
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import UnavailableError, WrongPhaseError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from support.control_actions import PATHS, accept_one
from support.in_process import InProcess
from support.lost_ledger import lose_run
from support.places import in_round, round_in, run_in

KEY = {"Idempotency-Key": "one"}

Request = Callable[[], Response]


def placed_for(services: InProcess, action: str) -> tuple[str, str]:
    """A run that allows the action, and the path to ask for it."""
    if action in ("close round", "retry round", "skip evaluation"):
        run_id = round_in(services, RunPhase.RUNNING, RoundPhase.OPEN)
        accept_one(services, run_id)
        return run_id, f"/v1/runs/{run_id}" + PATHS[action].format(number=1)
    phase = {"start": RunPhase.CREATED, "resume": RunPhase.PAUSED}.get(action, RunPhase.RUNNING)
    run_id = run_in(services, phase)
    return run_id, f"/v1/runs/{run_id}{PATHS[action]}"


@pytest.mark.parametrize("action", PATHS)
def test_a_request_with_the_same_key_has_one_effect_and_the_same_answer(
    api: TestClient, services: InProcess, action: str
) -> None:
    run_id, path = placed_for(services, action)
    first = api.post(path, headers=KEY)
    assert first.status_code == 200
    events = services.ports.ledger.events(run_id)
    published = list(services.publisher.published)
    again = api.post(path, headers=KEY)
    assert (again.status_code, again.json()) == (200, first.json())
    assert services.ports.ledger.events(run_id) == events
    assert services.publisher.published == published


@pytest.mark.parametrize("action", sorted(PATHS.keys() - {"skip evaluation"}))
def test_a_request_without_a_key_is_refused_the_second_time(api: TestClient, services: InProcess, action: str) -> None:
    _, path = placed_for(services, action)
    assert api.post(path).status_code == 200
    assert api.post(path).status_code == 409


def test_a_key_counts_though_the_run_has_moved_on(api: TestClient, services: InProcess) -> None:
    """The answer to a late repetition is the run as it stands: the pause that was resumed does not begin again."""
    run_id = run_in(services, RunPhase.RUNNING)
    assert api.post(f"/v1/runs/{run_id}/pause?now=true", headers=KEY).json()["phase"] == "paused"
    assert api.post(f"/v1/runs/{run_id}/resume").json()["phase"] == "running"
    assert api.post(f"/v1/runs/{run_id}/pause?now=true", headers=KEY).json()["phase"] == "running"


@pytest.mark.parametrize("other", ["/pause", "/resume", "/cancel", "/rounds/0/close", "/rounds/0/skip-evaluation"])
def test_a_key_does_not_name_two_requests(api: TestClient, services: InProcess, other: str) -> None:
    run_id = run_in(services, RunPhase.RUNNING)
    api.post(f"/v1/runs/{run_id}/pause?now=true", headers=KEY)
    before = services.ports.ledger.load(run_id)
    refused = api.post(f"/v1/runs/{run_id}{other}", headers=KEY)
    assert refused.status_code == 422
    assert f"the idempotency key 'one' was used for 'pause now' on {run_id}" in refused.json()["detail"]
    assert services.ports.ledger.load(run_id) == before


def test_one_key_serves_another_run(api: TestClient, services: InProcess) -> None:
    for _ in range(2):
        assert api.post(f"/v1/runs/{run_in(services, RunPhase.CREATED)}/start", headers=KEY).status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_of_a_wrong_length_is_refused(api: TestClient, services: InProcess, key: str) -> None:
    refused = api.post(f"/v1/runs/{run_in(services, RunPhase.CREATED)}/start", headers={"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "header.Idempotency-Key")


def test_a_run_remembers_its_newest_keys_only(services: InProcess) -> None:
    run_id = run_in(services, RunPhase.PAUSED)
    run = services.ports.ledger.load(run_id)
    services.ports.ledger.save(run.model_copy(update={"requests": {f"{n:02}": "start" for n in range(50)}}), "keys")
    cancel_run(services.ports, run_id, "newest")
    assert list(services.ports.ledger.load(run_id).requests) == [*(f"{n:02}" for n in range(1, 50)), "newest"]


@pytest.fixture
def make(api: TestClient, services: InProcess, request: pytest.FixtureRequest, plan: Plan) -> Callable[..., Response]:
    """Creates a run with the same key, with changes of the plan: from a plan, or as a clone."""
    whole = plan.model_dump(mode="json")
    if request.param == "create":
        return lambda **changes: api.post("/v1/runs", json=whole | changes, headers=KEY)
    original = create_run(services.ports, plan).id
    return lambda **changes: api.post(f"/v1/runs/{original}/clone", json=changes, headers=KEY)


@pytest.mark.parametrize("make", ["create", "clone"], indirect=True)
def test_one_key_makes_one_run(services: InProcess, make: Callable[..., Response]) -> None:
    known = len(services.ports.ledger.runs())
    first = make(seed=7)
    again = make(seed=7)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert len(services.ports.ledger.runs()) == known + 1
    refused = make(seed=8)
    assert refused.status_code == 422
    assert f"the idempotency key 'one' created {first.json()['id']}, which has another plan" in refused.json()["detail"]
    assert len(services.ports.ledger.runs()) == known + 1


def test_without_a_key_each_request_makes_a_run(api: TestClient, services: InProcess, plan: Plan) -> None:
    ids = {api.post("/v1/runs", json=plan.model_dump(mode="json")).json()["id"] for _ in range(2)}
    assert {run.id for run in services.ports.ledger.runs()} == ids
    assert len(ids) == 2


@pytest.mark.parametrize("make", ["create", "clone"], indirect=True)
@pytest.mark.parametrize("seed", [7, 8])
def test_a_key_whose_run_was_deleted_makes_no_other_run(
    api: TestClient, services: InProcess, make: Callable[..., Response], seed: int
) -> None:
    """Tasks of the deleted run may still be under way, and would count for the other one."""
    run_id = make(seed=7).json()["id"]
    assert api.delete(f"/v1/runs/{run_id}", params={"confirm": run_id}).status_code == 202
    services.sweep_after(1)
    before = services.ports.artifacts.keys("")
    refused = make(seed=seed)
    assert refused.status_code == 409
    assert refused.json()["detail"] == f"the idempotency key 'one' created {run_id}, which was deleted; use a new key"
    assert services.ports.artifacts.keys("") == before


@pytest.mark.parametrize("make", ["create", "clone"], indirect=True)
def test_a_run_that_the_ledger_has_lost_is_not_made_anew(
    api: TestClient, services: InProcess, make: Callable[..., Response]
) -> None:
    """Its record in the store is what it is restored from."""
    run_id = make(seed=7).json()["id"]
    started = start_run(services.ports, run_id)
    record = services.ports.artifacts.get(object_keys.run(run_id))
    lose_run(services.ports.ledger, run_id)
    refused = make(seed=7)
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        f"the idempotency key 'one' created {run_id}, which the ledger has lost and the artifact store still has; "
        f"restore it with: fedface run restore {run_id}"
    )
    assert make(seed=8).status_code == 422
    assert services.ports.artifacts.get(object_keys.run(run_id)) == record
    assert api.post(f"/v1/runs/{run_id}/restore").status_code == 200
    assert make(seed=7).json()["phase"] == started.phase


@pytest.mark.parametrize("make", ["create", "clone"], indirect=True)
def test_a_creation_that_was_cut_short_is_gone_on_with(
    services: InProcess, make: Callable[..., Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = len(services.ports.ledger.runs())

    def fail(run: Run) -> None:
        raise UnavailableError("the ledger does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(services.ports.ledger, "create", fail)
        assert make(seed=7).status_code == 503
    (cut_short,) = set(services.ports.artifacts.keys("runs/")) - {
        object_keys.run(run.id) for run in services.ports.ledger.runs()
    }
    assert make(seed=8).status_code == 422
    made = make(seed=7)
    assert (made.status_code, made.json()["phase"], object_keys.run(made.json()["id"])) == (201, "created", cut_short)
    assert len(services.ports.ledger.runs()) == known + 1
    record = Run.model_validate_json(services.ports.artifacts.get(cut_short))
    assert record == services.ports.ledger.load(record.id)


def overtaken(services: InProcess, monkeypatch: pytest.MonkeyPatch, method: str, meanwhile: Callable[[], object]) -> None:
    """Let ``meanwhile`` happen right before this method of a port takes effect for the first time."""
    port_name, name = method.split(".")
    port = getattr(services.ports, port_name)
    happened: list[bool] = []
    original = getattr(port, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if not happened:
            happened.append(True)
            meanwhile()
        return original(*args, **kwargs)

    monkeypatch.setattr(port, name, call)


def test_two_starts_at_once_with_one_key_are_one(services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = run_in(services, RunPhase.CREATED)
    other = []

    def start_a_moment_later() -> None:
        services.clock.advance(0.001)
        other.append(start_run(services.ports, run_id, "one"))

    overtaken(services, monkeypatch, "ledger.save", start_a_moment_later)
    assert start_run(services.ports, run_id, "one") == other[0]
    assert len(services.publisher.published) == 2, "one request for each part of the preparation"


def test_of_two_starts_at_once_with_two_keys_one_is_refused(services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = run_in(services, RunPhase.CREATED)
    overtaken(services, monkeypatch, "ledger.save", lambda: start_run(services.ports, run_id, "one"))
    with pytest.raises(WrongPhaseError, match="is preparing, which allows"):
        start_run(services.ports, run_id, "two")
    assert len(services.publisher.published) == 2, "one request for each part of the preparation"


@pytest.mark.parametrize("port", ["ledger.save", "artifacts.put"])
def test_a_pause_overtaken_by_a_cancel_is_refused_and_leaves_no_record(
    services: InProcess, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    run_id = services.start()
    services.until(run_id, in_round(services, 0))
    overtaken(services, monkeypatch, port, lambda: cancel_run(services.ports, run_id))
    with pytest.raises(WrongPhaseError, match=r"cannot pause now: .* is cancelled"):
        pause_run(services.ports, run_id, now=True)
    record = Run.model_validate_json(services.ports.artifacts.get(object_keys.run(run_id)))
    assert record.phase is services.ports.ledger.load(run_id).phase is RunPhase.CANCELLED


@pytest.mark.parametrize("port", ["artifacts.get", "ledger.load"])
def test_a_run_that_is_made_and_started_meanwhile_is_not_lost(
    services: InProcess, plan: Plan, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    other: list[Run] = []

    def make_and_start() -> None:
        other.append(start_run(services.ports, create_run(services.ports, plan, "one").id))

    overtaken(services, monkeypatch, port, make_and_start)
    assert [create_run(services.ports, plan, "one")] == other


@pytest.mark.parametrize("port", ["ledger.create", "artifacts.put"])
def test_two_creations_at_once_with_one_key_make_one_run(
    services: InProcess, plan: Plan, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    other: list[Run] = []
    overtaken(services, monkeypatch, port, lambda: other.append(create_run(services.ports, plan, "one")))
    run = create_run(services.ports, plan, "one")
    assert [run] == other == services.ports.ledger.runs()
    record = Run.model_validate_json(services.ports.artifacts.get(object_keys.run(run.id)))
    assert record.correlation_id == run.correlation_id, "the record is of the run that is in the ledger"
