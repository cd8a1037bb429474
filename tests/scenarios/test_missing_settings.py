"""A service whose settings are missing or wrong names them and exits, without a traceback and without a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.signing import keys_in_environment


def start(module: str, folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start a service that must stop."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FEDFACE_")}
    return subprocess.run(
        [sys.executable, "-m", module],
        env=environment | settings,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("module", ["fedface_client", "fedface_control.api"])
def test_a_service_without_settings_names_them_and_stops(tmp_path: Path, module: str) -> None:
    stopped = start(module, tmp_path, {})
    assert stopped.returncode == 78
    assert stopped.stderr.splitlines() == [
        "settings: FEDFACE_REDIS_URL is not set",
        "settings: FEDFACE_ARTIFACTS is not set",
    ]
    assert stopped.stdout == ""


@pytest.mark.parametrize("module", ["fedface_control.worker", "fedface_control.api"])
def test_malformed_settings_are_named_and_the_password_is_not_told(tmp_path: Path, module: str) -> None:
    settings = {
        "FEDFACE_REDIS_URL": "redis://:tell#nobody@redis:6379/0",
        "FEDFACE_ARTIFACTS": "s3",
        "FEDFACE_S3_ENDPOINT": "http://minio:9000",
        "FEDFACE_S3_BUCKET": "Fed_Face",
        "FEDFACE_S3_ACCESS_KEY": "key",
        "FEDFACE_S3_SECRET_KEY": "nobody",
    }
    stopped = start(module, tmp_path, settings)
    assert stopped.returncode == 78
    redis, endpoint, bucket = stopped.stderr.splitlines()
    assert redis.startswith("settings: FEDFACE_REDIS_URL ")
    assert "redis://:secret@host:6379/0" in redis
    assert "%2F" in redis
    assert endpoint.startswith("settings: FEDFACE_S3_ENDPOINT begins with a scheme: give host:port")
    assert bucket.startswith("settings: FEDFACE_S3_BUCKET is 'Fed_Face': the name of a bucket has")
    assert "nobody" not in stopped.stderr + stopped.stdout


@pytest.mark.parametrize(
    ("module", "setting", "status", "complaint"),
    [
        ("fedface_control.worker", "FEDFACE_METRICS_DIRECTORY", 78, "control: FEDFACE_METRICS_DIRECTORY: cannot use "),
        ("fedface_control.worker", "FEDFACE_ARTIFACT_DIRECTORY", 1, "control: cannot use "),
        ("fedface_control.api", "FEDFACE_ARTIFACT_DIRECTORY", 1, "control: cannot use "),
    ],
)
def test_a_directory_that_is_a_file_is_named(tmp_path: Path, module: str, setting: str, status: int, complaint: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    settings = {
        "FEDFACE_REDIS_URL": "redis://:own@127.0.0.1:1/0",
        "FEDFACE_ARTIFACTS": "directory",
        "FEDFACE_ARTIFACT_DIRECTORY": str(tmp_path / "artifacts"),
        "FEDFACE_METRICS_DIRECTORY": str(tmp_path / "metrics"),
        **keys_in_environment(),
    }
    stopped = start(module, tmp_path, settings | {setting: str(tmp_path / "file")})
    assert stopped.returncode == status
    (line,) = stopped.stderr.splitlines()
    assert line.startswith(f"{complaint}{tmp_path / 'file'}")
