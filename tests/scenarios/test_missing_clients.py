"""Rounds in which clients send no update: clients without usable data, clients that do not respond, too few clients."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import structlog
from PIL import Image, JpegImagePlugin

from fedface_core.domain.commands import TrainClients
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_learning.data import ImageSize, open_dataset, open_photographs, split_identities
from support.in_process import InProcess
from support.metrics import counter
from support.phone_photographs import phone_photograph
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
    assert enrolment.failed[VICTIM].endswith("(code photograph-unusable)")
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
    assert run.failure.startswith(
        "the identities cannot be listed: split: 0 public + 7 clients + 2 test + 0 validation are 9 identities"
    )


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


@pytest.mark.parametrize("role", ["clients", "test"])
def test_a_phone_photograph_with_a_mistyped_exif_tag_is_used(tmp_path: Path, role: str) -> None:
    """Its EXIF could not be written anew: a client vanished, and a run with such a test person was scored for ever."""
    folder = write_faces(tmp_path / "faces")
    plan = tiny_plan(folder)
    person = folder / people_of(plan, role)[0]
    (person / "0.png").write_bytes(phone_photograph(Image.open(person / "0.png"), orientation=6, kind="PNG"))
    services = InProcess(plan)
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert services.manifest(run.id, 0).failed == {}


def test_a_decoder_that_fails_in_an_unknown_way_ends_a_client_or_the_run_with_the_file_named_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_faces(tmp_path / "faces")
    plan = tiny_plan(folder)

    def fails(image: Image.Image) -> None:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", fails)
    client = people_of(plan, "clients")[1]
    Image.new("L", (8, 8)).save(folder / client / "0.jpg")
    services = InProcess(plan)
    with structlog.testing.capture_logs() as records:
        run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert services.manifest(run.id, 0).failed[VICTIM].endswith("(code photograph-unusable)")
    (record,) = [each for each in records if each["event"] == "data_unusable"]
    assert f"{client}/0.jpg cannot be read: unpack requires" in record["detail"]

    tested = people_of(plan, "test")[0]
    Image.new("L", (8, 8)).save(folder / tested / "0.jpg")
    run = InProcess(plan).run()
    assert run.phase is RunPhase.FAILED
    assert "the test identities cannot be scored: a photograph cannot be used" in str(run.failure)


def people_of(plan: Plan, role: str) -> tuple[str, ...]:
    people: tuple[str, ...] = getattr(split_identities(open_photographs(plan).identities, plan.split), role)
    return people
