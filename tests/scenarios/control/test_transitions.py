"""Every action of the API in every phase: allowed, or refused with the phase and what it allows, and then without effect."""

from __future__ import annotations

from itertools import product

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from fedface_core.domain.commands import EvaluateModel, HandleFact
from fedface_core.domain.facts import EvaluationSkipped
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.round_phase import MASKED_PHASES
from fedface_core.domain.run import ALLOWED, RunPhase, allowed_actions
from support.control_actions import ON_ROUNDS, PATHS, accept_one
from support.in_process import InProcess
from support.places import round_in, run_in

# Where an allowed action takes the run, at once.
LEADS_TO = {
    "start": RunPhase.PREPARING,
    "pause": RunPhase.PAUSING,
    "pause now": RunPhase.PAUSED,
    "resume": RunPhase.RUNNING,
    "cancel": RunPhase.CANCELLED,
    "delete": RunPhase.DELETING,
}

ON_CURRENT = {
    "close round": {RoundPhase.OPEN},
    "retry round": {RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING},
    "skip evaluation": {RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING},
}

WITHOUT_MASKS = [phase for phase in RoundPhase if phase not in MASKED_PHASES]
"""`tests/scenarios/test_masked_rounds.py` operates masked rounds."""


def ask(api: TestClient, action: str, run_id: str, number: int = 0) -> Response:
    path = f"?confirm={run_id}" if action == "delete" else PATHS[action].format(number=number)
    answer: Response = api.request("DELETE" if action == "delete" else "POST", f"/v1/runs/{run_id}{path}")
    return answer


def everything(services: InProcess, run_id: str) -> object:
    """All that an action could change."""
    ledger = services.ports.ledger
    return ledger.load(run_id), ledger.rounds(run_id), ledger.events(run_id), list(services.publisher.published)


def test_each_action_of_the_table_is_an_action_of_the_api() -> None:
    assert {*PATHS, "delete"} == set(ALLOWED)
    assert {*LEADS_TO, *ON_ROUNDS} == set(ALLOWED)


@pytest.mark.parametrize(("action", "phase"), [*product(LEADS_TO, RunPhase)])
def test_an_action_on_a_run_is_allowed_or_refused_by_its_phase(
    api: TestClient, services: InProcess, action: str, phase: RunPhase
) -> None:
    run_id = run_in(services, phase)
    before = everything(services, run_id)
    answer = ask(api, action, run_id)
    if phase in ALLOWED[action]:
        assert answer.is_success, answer.text
        assert answer.json()["phase"] == LEADS_TO[action]
        assert answer.json()["allowed"] == allowed_actions(LEADS_TO[action])
        assert api.get(f"/v1/runs/{run_id}").json() == answer.json()
        return
    assert everything(services, run_id) == before
    if (action, phase) == ("delete", RunPhase.DELETING):  # as asked already
        assert (answer.status_code, answer.json()["phase"]) == (202, "deleting")
        return
    allowed = ", ".join(allowed_actions(phase)) or "nothing more"
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"cannot {action}: {run_id} is {phase}, which allows {allowed}"


@pytest.mark.parametrize(("action", "phase"), [*product(ON_ROUNDS, sorted(set(RunPhase) - ALLOWED["close round"]))])
def test_an_action_on_a_round_is_refused_by_its_runs_phase(
    api: TestClient, services: InProcess, action: str, phase: RunPhase
) -> None:
    run_id = run_in(services, phase)
    before = everything(services, run_id)
    answer = ask(api, action, run_id)
    allowed = ", ".join(allowed_actions(phase)) or "nothing more"
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"cannot {action}: {run_id} is {phase}, which allows {allowed}"
    assert everything(services, run_id) == before


@pytest.mark.parametrize(
    ("action", "run_phase", "phase"), [*product(ON_ROUNDS, [RunPhase.RUNNING, RunPhase.PAUSING], WITHOUT_MASKS)]
)
def test_an_action_on_a_round_is_allowed_or_refused_by_its_own_phase(
    api: TestClient, services: InProcess, action: str, run_phase: RunPhase, phase: RoundPhase
) -> None:
    run_id = round_in(services, run_phase, phase)
    if action == "close round" and phase is RoundPhase.OPEN:
        accept_one(services, run_id)
    before = everything(services, run_id)
    answer = ask(api, action, run_id, 1)
    if phase in ON_CURRENT[action]:
        assert answer.status_code == 200, answer.text
        assert everything(services, run_id) != before
        return
    assert answer.status_code == 409
    takes = " or ".join(place for place in ("open", "aggregating", "evaluating") if place in ON_CURRENT[action])
    assert answer.json()["detail"] == f"cannot {action} 1 of {run_id}: it is {phase}; that takes a round that is {takes}"
    assert everything(services, run_id) == before


@pytest.mark.parametrize("action", ON_ROUNDS)
def test_only_the_current_round_can_be_operated(api: TestClient, services: InProcess, action: str) -> None:
    run_id = round_in(services, RunPhase.RUNNING, RoundPhase.OPEN)
    before = everything(services, run_id)
    earlier = ask(api, action, run_id, 0)
    unknown = ask(api, action, run_id, 2)
    assert (earlier.status_code, unknown.status_code) == (409, 404)
    assert earlier.json()["detail"] == f"cannot {action} 0 of {run_id}: its current round is 1"
    assert unknown.json()["detail"] == f"{run_id} has no round 2"
    assert everything(services, run_id) == before


def test_enrolment_is_not_retried(api: TestClient, services: InProcess) -> None:
    run_id = run_in(services, RunPhase.RUNNING)
    before = everything(services, run_id)
    refused = ask(api, "retry round", run_id)
    assert refused.status_code == 409
    assert "enrolment invites every client" in refused.json()["detail"]
    assert everything(services, run_id) == before


def test_closing_freezes_what_was_accepted(api: TestClient, services: InProcess) -> None:
    run_id = round_in(services, RunPhase.RUNNING, RoundPhase.OPEN)
    accept_one(services, run_id)
    answer = ask(api, "close round", run_id, 1)
    assert (answer.json()["round_phase"], answer.json()["accepted"]) == ("aggregating", 1)
    closed = services.ports.ledger.events(run_id)[-1]
    assert (closed.name, closed.data["because"]) == ("round_closed", "operator")


@pytest.mark.parametrize(
    ("run_phase", "then"), [(RunPhase.RUNNING, ("running", 2, "open")), (RunPhase.PAUSING, ("paused", 1, "abandoned"))]
)
def test_retrying_opens_another_round_unless_the_run_is_to_pause(
    api: TestClient, services: InProcess, run_phase: RunPhase, then: tuple[str, int, str]
) -> None:
    run = ask(api, "retry round", round_in(services, run_phase, RoundPhase.OPEN), 1).json()
    assert (run["phase"], run["round"], run["round_phase"]) == then


def test_skipping_what_is_being_scored_takes_the_place_of_the_evaluation(api: TestClient, services: InProcess) -> None:
    run_id = round_in(services, RunPhase.RUNNING, RoundPhase.EVALUATING)
    ask(api, "skip evaluation", run_id, 1)
    skipped = EvaluationSkipped(run_id=run_id, round=1)
    assert services.publisher.commands == [HandleFact(run_id=run_id, fact=skipped)]
    services.drain()
    assert EvaluateModel not in map(type, services.publisher.commands)
    assert services.ports.ledger.load(run_id).phase is RunPhase.COMPLETED


ACTIONS = ["/clone", *PATHS.values()]


@pytest.mark.parametrize("path", ACTIONS)
def test_an_unknown_run_is_not_found(api: TestClient, path: str) -> None:
    unknown = "run-00000000dead"
    answer = api.post(f"/v1/runs/{unknown}" + path.format(number=0), json={})
    assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no run {unknown}")


def test_an_unknown_run_is_neither_deleted_nor_restored(api: TestClient, plan: Plan) -> None:
    unknown = "run-00000000dead"
    assert api.delete(f"/v1/runs/{unknown}", params={"confirm": unknown}).status_code == 404
    refused = api.post(f"/v1/runs/{unknown}/restore")
    assert refused.status_code == 404
    assert refused.json()["detail"].startswith(f"the artifact store has no record of {unknown}")
