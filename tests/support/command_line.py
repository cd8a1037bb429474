"""The command line of `fedface` in the process of a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedface_cli.main import main

Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fedface(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Runs the command line in this process: exit status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "140")

    def invoke(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return invoke
