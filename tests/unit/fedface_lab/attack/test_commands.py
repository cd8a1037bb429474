"""`fedface attack invert` on a run of the services in this process, whose store is a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.s3 import S3Artifacts
from fedface_core.contracts import object_keys
from support.command_line import Invoke
from support.in_process import InProcess
from support.servers import S3Server
from support.tiny_run import tiny_plan, write_faces

SIDE = 16
EASY: dict[str, Any] = {
    "model": {"height": SIDE, "width": SIDE, "widths": [4, 4, 4, 8], "embedding_size": 8},
    "initialisation": "random",
    "rounds": 1,
}


class StoredRun:
    """A run that has ended, and the command to attack its only round."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.store = folder / "store"
        faces = folder / "faces"
        plan = tiny_plan(faces if faces.exists() else write_faces(faces), **EASY | changes)
        plan = plan.model_copy(update={"data": plan.data.model_copy(update={"images_per_client": 1})})
        services = InProcess(plan, artifacts=LocalArtifacts(self.store))
        self.id = services.to_end(services.start()).id

    def command(self, *more: str, number: int = 1, client: str = "client-000001") -> list[str]:
        options = ["--client", client, "--artifacts", str(self.store), "--iterations", "2", *more]
        return ["attack", "invert", self.id, "--round", str(number), *options]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    return StoredRun(tmp_path_factory.mktemp("run"))


def test_it_writes_a_picture_and_reports_figures(stored: StoredRun, fedface: Invoke, tmp_path: Path) -> None:
    picture = tmp_path / "attack.png"
    status, out, _ = fedface(*stored.command("--iterations", "80", "--output", str(picture), "--json"))
    assert status == 0
    report = json.loads(out)
    assert (report["run_id"], report["round"], report["client"]) == (stored.id, 1, "client-000001")
    assert (report["images"], report["clients_in_sum"]) == (1, 2)
    assert report["from_update"]["loss_after"] < 0.5 * report["from_update"]["loss_before"]
    assert report["from_update"]["gradient_cosine"] > 0.8
    assert report["from_update"]["gradient_cosine"] > report["from_sum"]["gradient_cosine"] + 0.05
    assert -1 <= report["from_sum"]["ssim"] <= 1
    with Image.open(picture) as image:
        assert image.size == (3 * (14 * SIDE + 6) + 6, 20 + 14 * SIDE + 6)


@pytest.fixture
def in_s3(stored: StoredRun, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Artifacts:
    """The objects of the run in S3, and settings that name the bucket."""
    settings = {
        "ENDPOINT": s3_server.endpoint,
        "BUCKET": s3_server.bucket,
        "ACCESS_KEY": s3_server.access_key,
        "SECRET_KEY": s3_server.secret_key,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"FEDFACE_S3_{name}", value)
    bucket = s3_server.artifacts()
    folder = LocalArtifacts(stored.store)
    for key in folder.keys(""):
        bucket.put(key, folder.get(key))
    return bucket


def test_a_run_in_s3_gives_what_one_in_a_folder_gives(
    stored: StoredRun, in_s3: S3Artifacts, fedface: Invoke, tmp_path: Path
) -> None:
    output = ("--output", str(tmp_path / "a.png"), "--json")
    _, of_folder, _ = fedface(*stored.command(*output))
    status, of_bucket, _ = fedface(*stored.command(*output, "--artifacts", "s3"))
    assert status == 0
    assert json.loads(of_bucket) == json.loads(of_folder)
    _, _, err = fedface(*stored.command(*output, "--artifacts", "s3", number=7))
    assert "has no round 7" in " ".join(err.split())
    assert "check FEDFACE_S3_ENDPOINT and FEDFACE_S3_BUCKET" in " ".join(err.split())
    in_s3.delete(object_keys.update(stored.id, 1, "client-000001"))
    _, _, err = fedface(*stored.command(*output, "--artifacts", "s3"))
    assert "is removed: the plan keeps those of the newest 3" in " ".join(err.split())


def test_a_setting_of_s3_that_is_missing_is_named(
    stored: StoredRun, fedface: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDFACE_S3_ENDPOINT", "s3:9000")
    status, _, err = fedface(*stored.command("--output", str(tmp_path / "a.png"), "--artifacts", "s3"))
    assert status == 78
    assert "also set FEDFACE_S3_ACCESS_KEY, FEDFACE_S3_SECRET_KEY" in err


def test_masked_updates_hold_nothing_to_invert(fedface: Invoke, tmp_path: Path) -> None:
    changes = {"split": {"clients": 16, "test": 2}, "cohort": {"shard_size": 16}, "strategy": "gaussian-negatives"}
    write_faces(tmp_path / "faces", identities=18)
    masked = StoredRun(tmp_path, initialisation="mean-feature", secure_aggregation={}, **changes)
    status, _, err = fedface(*masked.command("--output", str(tmp_path / "a.png")))
    assert status != 0
    assert "the updates are masked: one of them looks random" in " ".join(err.split())


def test_a_person_is_told_both_figures(stored: StoredRun, fedface: Invoke, tmp_path: Path) -> None:
    _, out, _ = fedface(*stored.command("--output", str(tmp_path / "a.png")))
    assert "1 image of client-000001 in round 1" in out
    assert "from the sum of 2" in out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"local_training": {"steps": 2}}, "took 2 steps: the sum of their gradients"),
        ({"update_encoding": "int8"}, "encoded as int8, which leaves a part of each gradient out"),
        ({"delivery": "combined"}, "the store has no update of one client"),
        ({"model": EASY["model"] | {"height": 8, "width": 8}}, "8×8 pixels are too small to compare"),
    ],
)
def test_a_run_whose_updates_hold_no_gradient_is_refused(
    changes: dict[str, Any], message: str, fedface: Invoke, tmp_path: Path
) -> None:
    status, _, err = fedface(*StoredRun(tmp_path, **changes).command("--output", str(tmp_path / "a.png")))
    assert status != 0
    assert message in " ".join(err.split())
    assert not (tmp_path / "a.png").exists()


def test_what_is_not_there_is_named(stored: StoredRun, fedface: Invoke, tmp_path: Path) -> None:
    output = ("--output", str(tmp_path / "a.png"))
    _, _, err = fedface(*stored.command(*output, number=7))
    assert f"has no round 7 of {stored.id} that has ended" in " ".join(err.split())
    _, _, err = fedface(*stored.command(*output, client="client-000009"))
    assert "client-000009 has no accepted update in round 1; clients that have: client-000000" in " ".join(err.split())


def test_an_update_that_was_changed_or_removed_is_named(fedface: Invoke, tmp_path: Path) -> None:
    stored = StoredRun(tmp_path)
    update = stored.store / object_keys.update(stored.id, 1, "client-000001")
    output = ("--output", str(tmp_path / "a.png"))
    data = bytearray(update.read_bytes())
    data[-500] ^= 1
    update.write_bytes(data)
    _, _, err = fedface(*stored.command(*output))
    assert "is not the object that was stored: its SHA-256 is another" in " ".join(err.split())
    update.unlink()
    _, _, err = fedface(*stored.command(*output))
    assert "the update of client-000001 in round 1 is removed: the plan keeps those of the newest 3" in " ".join(err.split())
