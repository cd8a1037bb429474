"""The command line as a whole: its help, its version, and its exit status when the API is away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedface_cli.exit_status import ExitStatus
from fedface_cli.main import app
from support.command_line import Invoke


def test_the_help_imports_nothing_heavy() -> None:
    heavy = "torch, matplotlib, httpx, redis, numpy, pydantic"
    code = f"import sys, fedface_cli.main; print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_version(fedface: Invoke) -> None:
    code, out, _ = fedface("--version")
    assert code == 0
    assert out.startswith("fedface 0.")


def test_no_api_says_how_to_get_one(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", "http://127.0.0.1:9")
    code, _, err = fedface("run", "list")
    assert code == ExitStatus.UNAVAILABLE
    assert "no control API at http://127.0.0.1:9: start one with `fedface up` or `docker compose up`" in err
    assert "FEDFACE_API_URL" in err


def test_a_url_without_a_scheme_is_refused(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", "localhost:8000")
    code, _, err = fedface("run", "list")
    assert code == 2
    assert "must start with http://" in err


@pytest.mark.parametrize(
    "url", ["user:pw~1@localhost:8000", "http://user:pw~1@[::1", "http://user:pw~1@host:port", "http://"]
)
def test_a_url_that_is_none_is_refused_and_shows_no_password(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", url)
    code, _, err = fedface("run", "list")
    assert (code, "pw~1" in err) == (2, False)
    assert err.startswith("error: the API's URL is ")


def test_an_api_that_is_away_shows_no_password(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", "http://user:p%40w~1@127.0.0.1:9")
    code, _, err = fedface("run", "list")
    assert (code, "w~" in err) == (5, False)
    assert err.startswith("error: no control API at http://***@127.0.0.1:9")


# Names of libraries and of the standard library's modules that people give their own files.
NAMES = ("redis", "queue", "torch", "typer", "httpx", "random", "secrets", "statistics", "pickle")


def test_files_of_the_current_folder_are_not_taken_for_libraries(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is not the library')")
    command = [sys.executable, "-m", "fedface_cli.main", "--help"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (said.returncode, said.stderr) == (0, "")


def test_no_process_that_the_command_starts_imports_from_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit('this is not the library')")
    code = """
import multiprocessing, sys
from fedface_cli import main
main.app = lambda args: multiprocessing.get_context("spawn").Pool(1).map(abs, [-1])
if __name__ == "__main__":
    main.main()
"""
    script = tmp_path / "scripts" / "fedface"
    script.parent.mkdir()
    script.write_text(code)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    said = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize(
    ("typed", "offered"), [("fedface ru", "run"), ("fedface run cre", "create"), ("fedface run list --api", "--api-url")]
)
def test_a_shell_completes_commands_and_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, offered: str
) -> None:
    shell = {"_FEDFACE_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        app(args=[], prog_name="fedface")
    assert capsys.readouterr().out.split() == [offered]


def test_the_script_for_a_shell_is_shown(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code, out, _ = fedface("--show-completion", "bash")
    assert (code, "complete -o default" in out) == (0, True)
