"""The console of all commands takes text as text: in lines, tables, titles, status lines and progress bars."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.errors import MarkupError
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from fedface_cli.plain_console import PlainConsole, listing_console, shown_digest, talk_console, text_column
from fedface_cli.terminal import json_output
from support.command_line import terminal

NAME = "study [/old] [lr=1e-4] :smile: \x1b[2J"
SHOWN = "study [/old] [lr=1e-4] :smile: \\x1b[2J"


def in_a_table(console: PlainConsole) -> None:
    table = Table(title=NAME, caption=NAME)
    table.add_column(NAME)
    table.add_row(NAME)
    table.add_row(Text(NAME))
    console.print(table)


def in_a_status_line(console: PlainConsole) -> None:
    with console.status(NAME) as status:
        status.update("something else")
        status.update(NAME)


def in_a_progress_bar(console: PlainConsole) -> None:
    with Progress(text_column("{task.description}"), text_column(NAME, "cyan"), console=console) as progress:
        progress.add_task(NAME)


PLACES: dict[str, tuple[Callable[[PlainConsole], None], int]] = {
    "line": (lambda console: console.print(NAME), 1),
    "text": (lambda console: console.print(Text(NAME, "red")), 1),
    "rule": (lambda console: console.rule(NAME), 1),
    "table": (in_a_table, 5),
    "status": (in_a_status_line, 1),
    "progress": (in_a_progress_bar, 2),
}


@pytest.mark.parametrize(("draw", "times"), PLACES.values(), ids=PLACES.keys())
def test_text_is_shown_as_it_is_written(draw: Callable[[PlainConsole], None], times: int) -> None:
    console = terminal(120)
    draw(console)
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert drawn.count(SHOWN) >= times
    assert NAME not in drawn
    steering = set(re.findall(r"\x1b\[[?0-9;]*[A-Za-z]", drawn))
    assert steering <= {"\x1b[?25l", "\x1b[?25h", "\x1b[1A", "\x1b[2K"}, "only what rich itself redraws lines by"


def test_a_console_of_rich_would_not_do() -> None:
    with pytest.raises(MarkupError):
        Console(file=io.StringIO()).print(NAME)


def test_spelled_out_characters_count_in_the_width_of_a_column() -> None:
    console = terminal(120)
    table = Table()
    table.add_column("name")
    table.add_row("\x1b\x9b\u202e")
    console.print(table)
    lines = console.export_text().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "\\x1b\\x9b\\u202e" in lines[3]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_tables_and_bars_are_drawn_in_every_encoding(encoding: str) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding, errors="backslashreplace")
    console = PlainConsole(file=stream, width=100, force_terminal=True, _environ={})
    for draw, _ in PLACES.values():
        draw(console)
    stream.flush()
    drawn = written.getvalue().decode(encoding)
    assert drawn.count(SHOWN) > 8
    assert "|" in drawn, "the frame of a table in ASCII"
    assert "\\u28" not in drawn, "the spinner has characters that the encoding has"


def test_a_table_in_a_pipe_is_as_wide_as_it_has_to_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(box=None)
    table.add_column("name")
    table.add_row("x" * 500)
    monkeypatch.delenv("COLUMNS", raising=False)
    listing_console().print(table)
    assert "x" * 500 in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "80")
    listing_console().print(table)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_a_digest_is_short_on_a_terminal_only() -> None:
    assert shown_digest("a" * 64, terminal()) == "a" * 12
    assert shown_digest("a" * 64, PlainConsole(file=io.StringIO())) == "a" * 64


def test_talk_leaves_standard_output_to_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    talk_console().print("for people")
    assert capsys.readouterr() == ("for people\n", "")
    with json_output(wanted=True):
        talk_console().print("beside the document")
    assert capsys.readouterr() == ("", "beside the document\n")
