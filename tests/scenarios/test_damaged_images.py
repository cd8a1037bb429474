"""A run on a packed set with damaged images: the services use what the list of `fedface data check` leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.run import RunPhase
from support.command_line import Invoke
from support.in_process import InProcess
from support.recordio import with_identities, write_records
from support.tiny_run import tiny_plan, write_faces


@pytest.mark.parametrize("has_index", [True, False])
def test_every_client_of_a_packed_set_with_damaged_images_takes_part(
    fedface: Invoke, tmp_path: Path, has_index: bool
) -> None:
    """Each of the eight people has three images, of which one is cut off."""
    faces = write_faces(tmp_path / "faces", images=3)
    people = [[file.read_bytes() for file in sorted(person.iterdir())] for person in sorted(faces.iterdir())]
    people = [[image[: len(image) // 2] if place == 1 else image for place, image in enumerate(person)] for person in people]
    folder = write_records(tmp_path / "packed", with_identities(people))
    if not has_index:
        (folder / "train.idx").unlink()
    damaged = tmp_path / "damaged.csv"
    code, out, err = fedface("data", "check", "--dataset", "recordio", "--folder", str(folder), "-o", str(damaged))
    assert code == 0, err
    assert "8 of 24 images are damaged" in out
    data = {"dataset": "recordio", "folder": str(folder), "skip_damaged": str(damaged)}
    services = InProcess(tiny_plan(folder, data=data))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    for number in range(3):
        assert services.manifest(run.id, number).failed == {}


def test_a_worker_without_the_list_says_so(tmp_path: Path) -> None:
    faces = write_faces(tmp_path / "faces")
    run = InProcess(tiny_plan(faces, data={"skip_damaged": str(tmp_path / "damaged.csv")})).run()
    assert run.phase is RunPhase.FAILED
    assert run.failure is not None
    assert "data.skip_damaged: there is no list of damaged images" in run.failure
