"""A finished tiny study, run once a session, for all tests that only read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fedface_cli.main import main
from support.process_state import process_state_kept
from support.tiny_study import write_study


@dataclass(frozen=True)
class Finished:
    """A study file, and the folder of its results."""

    file: Path
    folder: Path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The tiny study, run by two processes through the command line."""
    root = tmp_path_factory.mktemp("study")
    file = write_study(root)
    output = root / "out"
    with process_state_kept(), pytest.raises(SystemExit) as ended:
        main(["study", "run", str(file), "--output", str(output), "--jobs", "2"])
    assert ended.value.code == 0
    return Finished(file, output)
