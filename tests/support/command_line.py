"""The command line of `fedface` in the process of a test, and terminals for it to draw on."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from fedface_cli.main import main
from fedface_cli.plain_console import PlainConsole

Invoke = Callable[..., tuple[int, str, str]]


def terminal(columns: int = 80, lines: int = 40) -> PlainConsole:
    """A terminal of this size that records what is drawn, whatever the terminal of the tests is."""
    return PlainConsole(
        width=columns, height=lines, record=True, force_terminal=True, color_system=None, file=io.StringIO(), _environ={}
    )


class Terminal(io.StringIO):
    """What a person types: put in the place of standard input, it is a terminal."""

    def isatty(self) -> bool:
        return True


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
