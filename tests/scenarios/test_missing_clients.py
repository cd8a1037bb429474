"""Rounds in which clients send no update: clients without usable data, clients that do not respond, too few clients."""

from __future__ import annotations

from pathlib import Path

from fedface_core.domain.commands import TrainClients
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_learning.data import ImageSize, open_dataset, split_identities
from support.in_process import InProcess
from support.metrics import counter
from support.tiny_run import tiny_plan, write_faces

VICTIM = "client-000001"


def test_a_client_whose_photographs_cannot_be_read_fails_with_the_reason(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "faces")
    plan = tiny_plan(folder)
    dataset = open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)
    identity = split_identities(dataset.identities, plan.split).clients[1]
    (folder / identity / "0.png").write_bytes(b"not an image")
    before = counter("updates", outcome="failed", reason="client")

    services = InProcess(plan)
    run = services.run()

    assert run.phase is RunPhase.COMPLETED
    enrolment = services.manifest(run.id, 0)
    assert list(enrolment.failed) == [VICTIM]
    assert f"{identity}/0.png is not a JPEG, PNG or PGM image" in enrolment.failed[VICTIM]
    assert VICTIM not in services.manifest(run.id, 1).round.cohort
    assert counter("updates", outcome="failed", reason="client") == before + 1


def test_if_no_client_has_data_the_run_fails_and_the_round_says_why(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "faces")
    services = InProcess(tiny_plan(folder))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    folder.rename(tmp_path / "elsewhere")
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure is not None
    assert run.failure.startswith("round 0: 0 updates were accepted, fewer than the minimum 1; 4 of 4 failed clients: ")
    assert "there is no folder" in run.failure
    reasons = services.ports.ledger.failed(run.id, 0)
    assert len(reasons) == 4
    assert all("there is no folder" in reason for reason in reasons.values())


def test_a_run_without_its_data_set_fails_before_its_first_round(tmp_path: Path) -> None:
    run = InProcess(tiny_plan(tmp_path / "nowhere")).run()
    assert (run.phase, run.round) == (RunPhase.FAILED, None)
    assert run.failure is not None
    assert run.failure.startswith("the identities cannot be listed: data.folder: there is no folder")


def test_a_run_with_too_few_identities_fails_before_its_first_round(faces: Path) -> None:
    run = InProcess(tiny_plan(faces, split={"clients": 7})).run()
    assert (run.phase, run.round) == (RunPhase.FAILED, None)
    assert run.failure is not None
    assert run.failure.startswith("the identities cannot be listed: split: 0 public + 7 clients + 2 test are 9 identities")


def test_the_deadline_closes_a_round_without_clients_that_do_not_respond(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100}, rounds=1))
    run_id = services.start()
    train = services.handlers[TrainClients]
    services.handlers[TrainClients] = lambda command, cid: train(command, cid) if VICTIM not in command.clients else None
    run = services.to_end(run_id)
    assert run.phase is RunPhase.COMPLETED
    manifest = services.manifest(run_id, 1)
    assert VICTIM not in manifest.accepted
    assert len(manifest.accepted) == 3
    assert manifest.round.closed_at is not None
    assert manifest.round.closed_at > manifest.round.deadline_at


def test_with_fewer_than_the_minimum_the_round_is_abandoned_and_the_run_fails(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100, "minimum": 2, "retries": 0}))
    run_id = services.start()
    train = services.handlers[TrainClients]
    services.handlers[TrainClients] = lambda command, cid: train(command, cid) if VICTIM in command.clients else None
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure == "round 1: 1 updates were accepted, fewer than the minimum 2"
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.ABANDONED
