"""Who may import whom, which names are in use, and how long a file may grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for top in ("shared", "services", "loadtest") for path in (ROOT / top).rglob("*.py"))


def test_imports_keep_to_the_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", cache_dir=None) == 0


@pytest.mark.parametrize("module", ["fedface_control.api.__main__", "fedface_control.worker", "fedface_control.tasks"])
def test_control_never_loads_torch(module: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "numpy", "PIL"} & set(loaded)


def test_files_stay_readable() -> None:
    long = {str(path.relative_to(ROOT)): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 400}
    assert not long, "split these by what happens in them"


def test_no_file_is_named_for_nothing() -> None:
    nameless = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "manager.py"}
    assert not [path for path in SOURCES if path.name in nameless]


def test_nothing_is_unpickled() -> None:
    """An update, a checkpoint or a model from a stranger must not be able to run code."""
    dangerous = ("import pickle", "torch.load(", "allow_pickle=True", "joblib.load(")
    found = [(path.name, word) for path in SOURCES for word in dangerous if word in path.read_text()]
    assert not found
