"""``python -m fedface_core.access``: what it writes, for whom, and what it says of what it cannot use."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from fedface_core.access.__main__ import files, main
from fedface_core.access.secret_names import REDIS, S3, secret_name, with_redis_user, with_s3_key

ENVIRONMENT = {
    **{secret_name(REDIS, identity): f"password-of-{identity}" for identity in with_redis_user()},
    **{secret_name(S3, identity): f"secret-of-{identity}" for identity in with_s3_key()},
}
WRITTEN = {
    "redis": {"users.acl"},
    "minio": {"setup.sh", *(f"{identity}.json" for identity in with_s3_key())},
    "seaweedfs": {"identities.json"},
}


@pytest.mark.parametrize("what", WRITTEN)
def test_the_files_are_read_by_their_owner_alone(tmp_path: Path, what: str) -> None:
    assert main([what, str(tmp_path / "new/folder")], ENVIRONMENT) == 0
    made = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new/folder").iterdir()}
    assert made == dict.fromkeys(WRITTEN[what], 0o600)


def test_the_bucket_is_that_of_the_settings() -> None:
    assert "arn:aws:s3:::faces/" in files("minio", ENVIRONMENT | {"FEDFACE_S3_BUCKET": "faces"})["client.json"]
    assert "arn:aws:s3:::fedface/" in files("minio", ENVIRONMENT)["client.json"]


def test_an_operator_and_a_root_are_there_if_their_secret_is() -> None:
    asked = {"REDIS_PASSWORD_OPERATOR": "operators-own", "MINIO_ROOT_PASSWORD": "roots-own", "MINIO_ROOT_USER": "boss"}
    assert "user operator" not in files("redis", ENVIRONMENT)["users.acl"]
    assert "user operator" in files("redis", ENVIRONMENT | asked)["users.acl"]
    assert "boss" not in files("seaweedfs", ENVIRONMENT)["identities.json"]
    identities = json.loads(files("seaweedfs", ENVIRONMENT | asked)["identities.json"])["identities"]
    assert identities[-1]["credentials"] == [{"accessKey": "boss", "secretKey": "roots-own"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage: python -m fedface_core.access"),
        (["redis"], "usage: python -m fedface_core.access"),
        (["redis", "a", "b"], "usage: python -m fedface_core.access"),
        (["postgres", "FOLDER"], "access: 'postgres' is none of redis, minio, prometheus and seaweedfs"),
    ],
)
def test_a_wrong_call_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([str(tmp_path) if word == "FOLDER" else word for word in arguments], ENVIRONMENT) == 64
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.count("\n") == 1


def test_a_missing_secret_is_named_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without = {name: secret for name, secret in ENVIRONMENT.items() if name != "REDIS_PASSWORD_SWEEP"}
    assert main(["redis", str(tmp_path)], without) == 64
    assert "REDIS_PASSWORD_SWEEP" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["redis", str(tmp_path / "file")], ENVIRONMENT) == 64
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_prometheus_gets_its_key_as_a_file_for_its_owner(tmp_path: Path) -> None:
    assert main(["prometheus", str(tmp_path)], {"API_METRICS_KEY": "a key of its own"}) == 0
    made = tmp_path / "metrics.key"
    assert made.read_text() == "a key of its own"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_key_from_a_file_is_as_good(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("a key of its own\n")
    assert main(["prometheus", str(tmp_path)], {"API_METRICS_KEY_FILE": str(tmp_path / "given")}) == 0
    assert (tmp_path / "metrics.key").read_text() == "a key of its own"


@pytest.mark.parametrize(
    ("what", "complaint"), [("prometheus", "API_METRICS_KEY is not set"), ("grafana", "is none of redis")]
)
def test_what_is_missing_or_unknown_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, complaint: str
) -> None:
    assert main([what, str(tmp_path)], {}) == 64
    assert complaint in capsys.readouterr().err
