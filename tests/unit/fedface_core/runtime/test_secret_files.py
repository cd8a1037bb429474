"""A secret setting may be the content of a file. A wrong file is named, and no secret is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedface_core.files.secret_file import MAX_SECRET_BYTES
from fedface_core.runtime.secret_files import secret_fields
from fedface_core.runtime.settings import ControlSettings, Settings, load_settings
from support.signing import keys_in_environment

URL = "redis://client:own@redis:6379/0"
OTHERS = {
    "FEDFACE_ARTIFACTS": "s3",
    "FEDFACE_S3_ENDPOINT": "minio:9000",
    "FEDFACE_S3_ACCESS_KEY": "client",
    "FEDFACE_S3_SECRET_KEY": "nobody",
}


@pytest.fixture(autouse=True)
def _other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("FEDFACE_") and name not in keys_in_environment()]:
        monkeypatch.delenv(name)
    for name, value in OTHERS.items():
        monkeypatch.setenv(name, value)


def stops_with(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as stopped:
        load_settings(ControlSettings)
    assert stopped.value.code == 78
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str) -> None:
    (tmp_path / "data").write_bytes(f"{URL}{end}".encode())
    (tmp_path / "url").symlink_to("data")  # as Kubernetes mounts secrets
    monkeypatch.setenv("FEDFACE_REDIS_URL_FILE", str(tmp_path / "url"))
    settings = load_settings(ControlSettings)
    assert settings.redis_url.get_secret_value() == URL
    assert "own" not in repr(settings)


def test_every_secret_has_a_file_of_its_own() -> None:
    assert sorted(secret_fields(ControlSettings)) == [
        "api_first_key",
        "api_metrics_key",
        "redis_url",
        "s3_secret_key",
        "webhook_secret",
    ]


@pytest.mark.parametrize("field", secret_fields(ControlSettings))
def test_a_secret_given_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, field: str
) -> None:
    variable = f"FEDFACE_{field.upper()}"
    monkeypatch.setenv("FEDFACE_REDIS_URL", URL)
    (tmp_path / "secret").write_text("nobody")
    monkeypatch.setenv(variable, OTHERS.get(variable, URL))
    monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "secret"))
    assert stops_with(capsys) == [f"settings: {variable} and {variable}_FILE are both set: set one of them"]


def test_an_argument_of_the_code_is_taken_before_a_file(tmp_path: Path) -> None:
    settings = Settings(redis_url=URL, artifacts="directory", artifact_directory=tmp_path)
    assert settings.redis_url.get_secret_value() == URL


WRONG = {
    "missing": (None, "give the path of a file with the secret in it"),
    "empty": (b"", "is empty: write the secret into it"),
    "one empty line": (b"\n", "is empty: write the secret into it"),
    "too large": (b"x" * (MAX_SECRET_BYTES + 1), "has more than 4,096 bytes"),
    "no text": (b"\xff\xfe\x00nobody", "is not text of UTF-8"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_is_named_and_nothing_of_it_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str
) -> None:
    content, says = WRONG[kind]
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("FEDFACE_REDIS_URL_FILE", str(file))
    (line,) = stops_with(capsys)
    assert line.startswith("settings: FEDFACE_REDIS_URL_FILE")
    assert str(file) in line
    assert says in line
    assert "nobody" not in line


@pytest.mark.parametrize("what", ["folder", "pipe", "nothing"])
def test_what_is_no_file_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, what: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv("FEDFACE_REDIS_URL_FILE", {"folder": str(tmp_path), "pipe": str(pipe), "nothing": ""}[what])
    (line,) = stops_with(capsys)
    assert "give the path of a file" in line


def test_all_wrong_files_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("FEDFACE_REDIS_URL_FILE", str(tmp_path / "a"))
    monkeypatch.delenv("FEDFACE_S3_SECRET_KEY")
    monkeypatch.setenv("FEDFACE_S3_SECRET_KEY_FILE", str(tmp_path / "b"))
    first, second = stops_with(capsys)
    assert "FEDFACE_REDIS_URL_FILE" in first
    assert "FEDFACE_S3_SECRET_KEY_FILE" in second


def test_the_content_is_checked_as_the_setting_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("redis://:tell#nobody@redis:6379/0\n")
    monkeypatch.setenv("FEDFACE_REDIS_URL_FILE", str(tmp_path / "url"))
    (line,) = stops_with(capsys)
    assert line.startswith("settings: FEDFACE_REDIS_URL has ")
    assert "nobody" not in line
