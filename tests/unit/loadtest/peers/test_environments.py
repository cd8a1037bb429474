"""A peer's environment is made if it is missing or has changed; one that cannot be made is named with the reason."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import loadtest.peers
from loadtest.peers.environments import (
    EnvironmentUnavailableError,
    installed_environment,
    missing_environments,
    prepare_environment,
)

# Takes the place of the interpreter: it notes what it is to run, makes an environment with itself as the Python, and lets
# PIP be what pip does. All else, the reaper, is the true interpreter's.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
  *"-m venv"*) echo venv >> NOTES; for home; do :; done; mkdir -p "$home/bin"; cp "$0" "$home/bin/python";;
  *"-m pip"*) echo pip >> NOTES; PIP;;
  *) exec PYTHON "$@";;
esac
"""

FakePython = Callable[[str], None]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def fake_python(tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch) -> FakePython:
    def make(pip: str) -> None:
        fake = tmp_path / "python"
        text = FAKE_PYTHON.replace("NOTES", shlex.quote(str(notes))).replace("PIP", pip)
        fake.write_text(text.replace("PYTHON", shlex.quote(sys.executable)))
        fake.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(fake))

    return make


@pytest.mark.long
def test_an_environment_that_cannot_be_made_is_named_with_its_reason(tmp_path: Path) -> None:
    impossible = tmp_path / "requirements.txt"
    impossible.write_text("--no-index\nno-such-package-anywhere==1.0\n")
    with pytest.raises(EnvironmentUnavailableError, match="no-such-package-anywhere"):
        prepare_environment("flower", tmp_path, impossible)
    assert (tmp_path / "flower" / "bin" / "python").is_file()


@pytest.mark.slow
def test_a_pip_that_hangs_is_ended_with_all_that_it_started_and_the_error_says_what_it_was_to_install(
    tmp_path: Path, fake_python: FakePython
) -> None:
    started = tmp_path / "started"
    fake_python(f'echo "Downloading torch"; sleep 600 & echo $! > {shlex.quote(str(started))}; wait')
    with pytest.raises(EnvironmentUnavailableError) as raised:
        prepare_environment("flower", tmp_path, limit_minutes=0.1)
    message = str(raised.value)
    assert "did not end within 0.1 minutes" in message
    assert "install flwr[simulation]==1.41.0, ray==2.55.1, torch==" in message
    assert message.endswith("Downloading torch")
    while psutil.pid_exists(sleeper := int(started.read_text())) and psutil.Process(sleeper).status() != "zombie":
        time.sleep(0.05)  # it was killed, and its new parent has to reap it
    assert installed_environment("flower", tmp_path) is None


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentUnavailableError, match=r"cannot use .*/file/pfl\.log: Not a directory"):
        prepare_environment("pfl", tmp_path / "file")


def test_an_environment_is_made_again_only_if_its_requirements_change(
    tmp_path: Path, notes: Path, fake_python: FakePython
) -> None:
    fake_python("true")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    python = prepare_environment("flower", tmp_path, requirements)
    assert python == tmp_path / "flower" / "bin" / "python"
    made = ["venv", "pip"]
    assert notes.read_text().split() == made
    assert prepare_environment("flower", tmp_path, requirements) == python
    assert notes.read_text().split() == made
    requirements.write_text("# something else, but nothing\n")
    prepare_environment("flower", tmp_path, requirements)
    assert notes.read_text().split() == made * 2


def test_an_environment_is_there_only_with_the_requirements_of_now(tmp_path: Path) -> None:
    assert installed_environment("pfl", tmp_path) is None
    (tmp_path / "pfl").mkdir()
    (tmp_path / "pfl" / "installed.txt").write_text("pfl==0.0.1")
    assert installed_environment("pfl", tmp_path) is None
    wanted = Path(loadtest.peers.__file__).parent / "requirements-pfl.txt"
    (tmp_path / "pfl" / "installed.txt").write_bytes(wanted.read_bytes())
    assert installed_environment("pfl", tmp_path) == tmp_path / "pfl" / "bin" / "python"
    assert missing_environments(["pfl", "flower", "pfl", "flower"], tmp_path) == ["flower"]
