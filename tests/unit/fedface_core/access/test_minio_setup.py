"""The script for MinIO: what it asks `mc` to do, as a stand-in records it, and that no secret is on a command line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fedface_core.access.__main__ import files
from fedface_core.access.minio_setup import setup_script
from fedface_core.access.secret_names import S3, secret_name, with_s3_key

SECRETS = {secret_name(S3, identity): f"secret-of-{identity}" for identity in with_s3_key()}
ATTACHED = '{"policyName":"fedface-client"}'
MC = """#!/bin/sh
echo "$@" >>calls
case "$*" in
  "--json admin user info store client") echo '%s' ;;
  "admin user add store "*) cat >>secrets ;;
  "admin policy create"*) test -s "$6" ;;
esac
"""


@pytest.fixture
def run_script(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The script has run once, with policies beside it and a `mc` that says that the client's policy is attached already."""
    for name, text in files("minio", {"FEDFACE_S3_BUCKET": "faces"}).items():
        (tmp_path / name).write_text(text)
    mc = tmp_path / "mc"
    mc.write_text(MC % ATTACHED)
    mc.chmod(0o700)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "S3_URL": "http://minio:9000",
        "MINIO_ROOT_USER": "root",
        "MINIO_ROOT_PASSWORD": "roots-own",
        **SECRETS,
    }
    return subprocess.run(
        ["sh", "setup.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=20
    )


def test_every_service_gets_its_user_and_its_policy(run_script: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    assert (run_script.returncode, run_script.stderr) == (0, "")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "mb --ignore-existing store/faces"
    for identity in with_s3_key():
        assert f"admin policy create store fedface-{identity} ./{identity}.json" in calls
        assert f"admin user add store {identity}" in calls
    attached = {call for call in calls if call.startswith("admin policy attach")}
    expected = {f"admin policy attach store fedface-{one} --user {one}" for one in with_s3_key() if one != "client"}
    assert attached == expected, "a policy that is attached is not attached again, which mc refuses"


def test_no_secret_is_on_a_command_line(run_script: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    calls = (tmp_path / "calls").read_text()
    assert not [secret for secret in (*SECRETS.values(), "roots-own") if secret in calls + run_script.stdout]
    assert (tmp_path / "secrets").read_text().split() == [*SECRETS.values()]


def test_a_missing_secret_ends_the_script(tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text(setup_script("faces"))
    (tmp_path / "mc").write_text("#!/bin/sh\n")
    (tmp_path / "mc").chmod(0o700)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "S3_URL": "http://minio:9000", "MINIO_ROOT_USER": "root"}
    ended = subprocess.run(
        ["sh", "setup.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    assert ended.returncode != 0
    assert "MINIO_ROOT_PASSWORD" in ended.stderr
