"""A client's photographs, and what its simulated device does to the clock, the store and the counters."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest
import torch

from fedface_client.device import Device, photographs
from fedface_client.invitation import Invitation
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts
from fedface_core.domain.devices import Behaviour, RoundTask, Wait
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_learning.data import ANYWHERE
from fedface_worker.workbench import Workbench
from support.control_rounds import NOW, RUN, Control
from support.metrics import counter
from support.tiny_run import SIDE, tiny_plan, write_faces


def device(behaviour: Behaviour) -> Device:
    return Device(behaviour, upload_attempts=3)


def invitation(plan: Plan, index: int) -> Invitation:
    """An invitation to a round of a run without an identity list."""
    client = client_id(index)
    return Invitation(plan, open_round(plan, RUN, 1, (client,), "a" * 64, NOW), client, "abc")


@pytest.fixture
def workbench() -> Workbench:
    return Workbench(Control.empty().ports, roots=ANYWHERE)


def test_a_worker_reads_the_photographs_of_a_client_once(tmp_path: Path, workbench: Workbench) -> None:
    folder = write_faces(tmp_path / "faces")
    invited = invitation(tiny_plan(folder), 1)
    first_NCHW = photographs(workbench, invited)
    shutil.rmtree(folder)
    assert (first_NCHW.shape, first_NCHW.dtype) == ((2, 1, SIDE, SIDE), torch.uint8)
    assert torch.equal(photographs(workbench, invited), first_NCHW)


def test_a_plan_may_limit_the_photographs_of_each_client(faces: Path, workbench: Workbench) -> None:
    all_NCHW = photographs(workbench, invitation(tiny_plan(faces), 0))
    limited = invitation(tiny_plan(faces, data={"images_per_client": 1}), 0)
    assert torch.equal(photographs(workbench, limited), all_NCHW[:1])


def test_photographs_that_are_not_there_are_invalid_input(tmp_path: Path, workbench: Workbench) -> None:
    with pytest.raises(InvalidInputError, match="there is no folder"):
        photographs(workbench, invitation(tiny_plan(tmp_path / "nowhere"), 0))


@pytest.mark.parametrize("failures", [0, 2])
def test_an_upload_succeeds_after_the_attempts_that_break_off(failures: int) -> None:
    store = MemoryArtifacts()
    before = counter("device_events", event="upload_failed")
    assert device(Behaviour(upload_failures=failures)).upload(store, "key", b"data", "0" * 64)
    assert store.get("key") == b"data"
    assert counter("device_events", event="upload_failed") - before == failures


def test_nothing_is_put_if_every_attempt_to_upload_breaks_off() -> None:
    store = MemoryArtifacts()
    assert not device(Behaviour(upload_failures=9)).upload(store, "key", b"data", "0" * 64)
    assert store.keys("") == []


@pytest.mark.parametrize(
    ("behaviour", "answered"),
    [
        (Behaviour(), [*RoundTask]),
        (Behaviour(available=False), []),
        (Behaviour(drops_out_at=RoundTask.REGISTER), []),
        (Behaviour(drops_out_at=RoundTask.SIGN), [RoundTask.REGISTER, RoundTask.SHARE, RoundTask.TRAIN]),
    ],
)
def test_a_device_that_is_absent_or_has_dropped_out_does_not_respond(
    behaviour: Behaviour, answered: list[RoundTask]
) -> None:
    assert [task for task in RoundTask if device(behaviour).responds(task)] == answered


def test_the_ledger_is_asked_for_the_time_only_if_a_device_is_away_at_times(faces: Path) -> None:
    class NoTime(ManualClock):
        def now(self) -> datetime:
            raise AssertionError("a request for each client")

    for devices in ({}, {"dropout": 0.5, "lateness": 0.5, "lateness_seconds": 1}):
        assert Device.of(client_id(0), 1, tiny_plan(faces, devices=devices), NoTime()).behaviour.available
    with pytest.raises(AssertionError, match="a request"):
        Device.of(client_id(0), 1, tiny_plan(faces, devices={"available_fraction": 0.5}), NoTime())


@pytest.mark.parametrize(("failures", "pauses"), [(0, 0), (1, 1), (2, 1 + 2), (3, 1 + 2), (9, 1 + 2)])
def test_a_device_waits_for_its_training_with_the_pauses_between_its_uploads_and_for_its_delivery(
    failures: int, pauses: int
) -> None:
    slow = device(Behaviour(seconds=4, upload_failures=failures, late_seconds=30))
    assert slow.waits
    assert (slow.seconds_of(Wait.TRAINING), slow.seconds_of(Wait.DELIVERY)) == (4 + pauses, 30)
    assert not device(Behaviour()).waits
