"""One finished tiny study for all tests that only look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fedface_cli.main import main
from support.tiny_study import write_study


@dataclass(frozen=True)
class Finished:
    """A study file, and the folder that it was run into."""

    file: Path
    folder: Path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """By two processes."""
    root = tmp_path_factory.mktemp("study")
    file = write_study(root)
    run(file, root / "out", processes=2)
    return Finished(file, root / "out")


def run(file: Path, output: Path, processes: int = 1) -> int:
    """`fedface study run` from this process; its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(["study", "run", str(file), "--output", str(output), "--jobs", str(processes)])
    assert isinstance(ended.value.code, int)
    return ended.value.code
