"""A peer's environment is made if it is missing or has changed; one that cannot be made is named with the reason."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

import loadtest.peers
from loadtest.peers.environments import EnvironmentUnavailableError, installed_environment, prepare_environment


@pytest.mark.long
def test_an_environment_that_cannot_be_made_is_named_with_its_reason(tmp_path: Path) -> None:
    impossible = tmp_path / "requirements.txt"
    impossible.write_text("--no-index\nno-such-package-anywhere==1.0\n")
    with pytest.raises(EnvironmentUnavailableError, match="no-such-package-anywhere"):
        prepare_environment("flower", tmp_path, impossible)
    assert (tmp_path / "flower" / "bin" / "python").is_file()


def test_an_environment_is_made_again_only_if_its_requirements_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[str, ...]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(tuple(command[1:5]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("loadtest.peers.environments.subprocess.run", run)
    (tmp_path / "flower").mkdir()
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    python = prepare_environment("flower", tmp_path, requirements)
    assert python == tmp_path / "flower" / "bin" / "python"
    made = [("-P", "-m", "venv", "--clear"), ("-P", "-m", "pip", "install")]
    assert commands == made
    assert prepare_environment("flower", tmp_path, requirements) == python
    assert commands == made
    requirements.write_text("# something else, but nothing\n")
    prepare_environment("flower", tmp_path, requirements)
    assert commands == made * 2


def test_an_environment_is_there_only_with_the_requirements_of_now(tmp_path: Path) -> None:
    assert installed_environment("pfl", tmp_path) is None
    (tmp_path / "pfl").mkdir()
    (tmp_path / "pfl" / "installed.txt").write_text("pfl==0.0.1")
    assert installed_environment("pfl", tmp_path) is None
    wanted = Path(loadtest.peers.__file__).parent / "requirements-pfl.txt"
    (tmp_path / "pfl" / "installed.txt").write_bytes(wanted.read_bytes())
    assert installed_environment("pfl", tmp_path) == tmp_path / "pfl" / "bin" / "python"
