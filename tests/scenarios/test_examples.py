"""The examples under docs/examples/ run as their README says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fedface_cli.plan_files import read_plan

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs/examples"
ROUND = re.compile(r"round (\d)  TAR@1e-1 [\d.]+%  TAR@1e-2 [\d.]+%  AUC (\d\.\d{4})  EER [\d.]+%")


def python_commands() -> list[str]:
    """The commands of the README that start Python, in order."""
    return re.findall(r"^\$ \.venv/bin/python (\S.*?)\s*$", (EXAMPLES / "README.md").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Command → the lines that it prints."""
    lines = {}
    for command in python_commands():
        path, *options = shlex.split(command)
        answer = subprocess.run(
            [sys.executable, str(ROOT / path), *options],
            capture_output=True,
            text=True,
            cwd=tmp_path_factory.mktemp("elsewhere"),
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            timeout=200,
        )
        assert answer.returncode == 0, answer.stderr
        lines[command] = answer.stdout.splitlines()
    return lines


def test_each_command_prints_every_round_and_the_model(printed: dict[str, list[str]]) -> None:
    rounds = read_plan(EXAMPLES / "plan.toml").rounds
    assert len(printed) == 2
    for lines in printed.values():
        found = [ROUND.fullmatch(line) for line in lines[:-1]]
        assert [int(match[1]) for match in found if match] == list(range(rounds + 1))
        assert re.fullmatch(r"model [0-9a-f]{64}", lines[-1])


def test_the_strategy_of_ones_own_enrols_like_fedface_and_trains_another_model(printed: dict[str, list[str]]) -> None:
    theirs, mine = printed.values()
    assert mine[0] == theirs[0]
    assert mine[-1] != theirs[-1]


def test_every_file_is_in_the_table() -> None:
    named = set(re.findall(r"\]\((\w+\.\w+)\)", (EXAMPLES / "README.md").read_text()))
    assert named == {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
