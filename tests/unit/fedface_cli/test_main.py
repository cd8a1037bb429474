"""The command line as a whole: its help, its version, and its exit status when the API is away."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
    assert code == 1
    assert "no control API at http://127.0.0.1:9: start one with `fedface up` or `docker compose up`" in err
    assert "FEDFACE_API_URL" in err


def test_a_url_without_a_scheme_is_refused(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", "localhost:8000")
    code, _, err = fedface("run", "list")
    assert code == 2
    assert "must start with http://" in err
