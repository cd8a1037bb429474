"""A run of another run's plan, with changes: an RFC 7396 merge patch, refused by field where it is no plan."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from fedface_control.operate.run import create_run
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run, RunPhase
from support.in_process import InProcess
from support.places import run_in


@pytest.fixture
def original(services: InProcess, plan: Plan) -> Run:
    whole = plan.model_dump(mode="json")
    cohort = whole["cohort"] | {"size": 3, "quorum": 2}
    return create_run(services.ports, Plan.model_validate(whole | {"name": "original", "cohort": cohort}))


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "none": ({}, {}),
    "a field": ({"rounds": 12}, {"rounds": 12}),
    "a nested field": ({"local_training": {"learning_rate": 1e-4}}, {"local_training": {"learning_rate": 1e-4}}),
    "null takes the default": ({"cohort": {"size": None}}, {"cohort": {"size": None}}),
    "null of a whole part": ({"cohort": None}, {"cohort": {"size": None, "quorum": None}}),
    "a list as a whole": ({"far": [0.25, 0.5]}, {"far": [0.25, 0.5]}),
}


@pytest.mark.parametrize(("changes", "differs"), CHANGES.values(), ids=CHANGES.keys())
def test_a_clone_has_the_plan_with_the_changes(
    api: TestClient, services: InProcess, original: Run, changes: dict[str, Any], differs: dict[str, Any]
) -> None:
    answer = api.post(f"/v1/runs/{original.id}/clone", json=changes)
    assert answer.status_code == 201
    run = answer.json()
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    assert (run["phase"], run["cloned_from"], run["name"]) == ("created", original.id, "original")
    expected = original.plan.model_dump(mode="json")
    defaults = Plan().model_dump(mode="json")
    for part, change in differs.items():
        whole = defaults[part] if changes.get(part, 0) is None else expected[part]
        expected[part] = whole | change if isinstance(change, dict) else change
    assert run["plan"] == expected
    assert services.ports.ledger.load(original.id) == original


@pytest.mark.parametrize(
    "named", [{"devices": {"profile": "flaky"}}, {"model": {"architecture": "spherenet-4"}}], ids=["profile", "architecture"]
)
def test_a_clone_takes_what_follows_from_a_change(
    api: TestClient, services: InProcess, plan: Plan, named: dict[str, Any]
) -> None:
    """Also of a run that the ledger has read back, with every field set."""
    given = plan.model_copy(update={"model": Plan().model, "devices": Plan().devices})
    original = create_run(services.ports, Plan.model_validate_json(given.model_dump_json()))
    run = api.post(f"/v1/runs/{original.id}/clone", json=named).json()
    (part,) = named
    assert run["plan"][part] == Plan.model_validate(named).model_dump(mode="json")[part]


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "value": ({"rounds": 0}, "rounds", "Input should be greater than 0"),
    "kind": ({"rounds": "twelve"}, "rounds", "'twelve' is not an integer"),
    "nested": ({"cohort": {"quorum": -1}}, "cohort.quorum", "Input should be greater than 0"),
    "unknown": ({"local_training": {"lr": 1}}, "local_training.lr", "there is no such field"),
    "together": ({"cohort": {"quorum": 4}}, "", "cohort.quorum is 4, but only 3 clients are invited to a round"),
    "part": ({"cohort": 3}, "cohort", "3 is not a table of fields"),
}


@pytest.mark.parametrize(("changes", "field", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_change_is_refused_by_field(
    api: TestClient, services: InProcess, original: Run, changes: dict[str, Any], field: str, message: str
) -> None:
    refused = api.post(f"/v1/runs/{original.id}/clone", json=changes)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert error["message"].startswith(message)
    assert services.ports.ledger.runs() == [original]


@pytest.mark.parametrize("phase", sorted(set(RunPhase) - {RunPhase.CREATED}))
def test_a_run_is_cloned_in_any_phase(api: TestClient, services: InProcess, phase: RunPhase) -> None:
    original = run_in(services, phase)
    clone = api.post(f"/v1/runs/{original}/clone", json={"seed": 5}).json()
    assert (clone["phase"], clone["plan"]["seed"], clone["finished_rounds"]) == ("created", 5, 0)


def test_changes_are_an_object(api: TestClient, original: Run) -> None:
    assert api.post(f"/v1/runs/{original.id}/clone", json=[1]).status_code == 422
