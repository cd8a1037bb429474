"""No model is made of so few people's updates that it would tell about single ones, unless the plan allows that."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_client.invitation import Invitation
from fedface_control.operate.run import create_run, start_run
from fedface_core.contracts import object_keys
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import Run, RunPhase
from fedface_learning.client.update import Update
from fedface_learning.data import open_photographs, split_identities
from support.client_updates import change_updates
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces


def plan_of(folder: Path, **cohort: object) -> Plan:
    """Four clients, and what a plan has by default as the least number of updates in a model."""
    return tiny_plan(folder, cohort={"retries": 0, "minimum": None} | cohort, model={"centring": True})


def published(services: InProcess, run: Run) -> list[str]:
    """The objects that say what was learned: model versions, and a run's W, guidance and server state."""
    keys = services.ports.artifacts.keys("")
    told = [key for key in keys if object_keys.kind(key) in ("model", "class_embedding", "guidance", "server_state")]
    initial = object_keys.model(services.ports.ledger.load_round(run.id, 0).model_sha256)
    assert initial in told
    return [key for key in told if key != initial]


def cut_off(monkeypatch: pytest.MonkeyPatch, kind: RoundKind, clients: int) -> None:
    """Have so many of the clients upload what a check refuses after it was accepted."""
    victims = {client_id(index) for index in range(clients)}

    def change(invitation: Invitation, honest: Update) -> Update:
        if invitation.client_id not in victims or invitation.opened_round.kind is not kind:
            return honest
        return Update(honest.data[:-1], honest.accepted, honest.residual)

    change_updates(monkeypatch, change)


@pytest.mark.parametrize("kind", RoundKind)
@pytest.mark.parametrize("refused", [1, 2, 3])
def test_updates_that_are_refused_when_they_are_summed_do_not_count(
    faces: Path, monkeypatch: pytest.MonkeyPatch, kind: RoundKind, refused: int
) -> None:
    cut_off(monkeypatch, kind, refused)
    services = InProcess(plan_of(faces))
    run = services.run()
    if refused == 1:
        assert run.phase is RunPhase.COMPLETED
        return
    number = 0 if kind is RoundKind.ENROLMENT else 1
    assert run.failure is not None
    assert run.failure.startswith(
        f"round {number}: {4 - refused} updates could be used, fewer than the minimum 3; refused: "
    )
    before = 0 if kind is RoundKind.ENROLMENT else 2  # the model with its centre, and W, of all four
    assert len(published(services, run)) == before


def test_with_two_people_that_have_photographs_there_is_no_centre_and_no_class_embedding(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "faces")
    plan = plan_of(folder)
    for person in split_identities(open_photographs(plan).identities, plan.split).clients[:2]:
        (folder / person / "1.png").write_bytes(b"")
    services = InProcess(plan)
    run = services.run()
    assert run.failure is not None
    assert run.failure.startswith("round 0: 2 updates were accepted, fewer than the minimum 3; 2 of 2 failed clients: ")
    assert published(services, run) == []


def test_a_plan_may_allow_models_of_fewer_people(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "faces")
    plan = plan_of(folder, minimum=2)
    for person in split_identities(open_photographs(plan).identities, plan.split).clients[:2]:
        (folder / person / "1.png").write_bytes(b"")
    assert InProcess(plan).run().phase is RunPhase.COMPLETED


def test_a_run_that_was_stored_before_there_was_a_default_goes_on_with_its_own_minimum(faces: Path) -> None:
    stored = plan_of(faces).model_dump(mode="json")
    assert "minimum" not in stored["cohort"]
    stored["cohort"]["minimum"] = 1
    services = InProcess(Plan.model_validate(stored))
    run = create_run(services.ports, services.plan)
    start_run(services.ports, run.id)
    services.until(run.id, lambda run: run.round == 1)
    assert services.ports.ledger.load_round(run.id, 1).minimum == 1
