"""The commands of `fedface` and the targets of make that the pages name exist, with the options that they give."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from fedface_cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), ROOT / "loadtest/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])


def command_lines(page: Path) -> list[list[str]]:
    """The lines of a page's blocks of code that begin with a dollar, as words, without comments and what follows a pipe or
    goes into a file. Of a line that puts an answer into a variable, the command."""
    lines = re.findall(r"^\$ (?:\.venv/bin/)?(.*)$", page.read_text(), re.MULTILINE)
    lines = [re.sub(r"^\w+=\$\((.*?)\)(\s+#.*)?$", r"\1", line) for line in lines]
    words = [shlex.split(line.replace("…", ""), comments=True) for line in lines]
    return [[*itertools.takewhile(lambda word: word not in {"|", ">", "2>", "&"}, line)] for line in words]


def problems(words: list[str]) -> list[str]:
    """What a command line of `fedface` names that there is not."""
    command: Any = typer.main.get_command(app)
    rest = list(words[1:])
    while hasattr(command, "get_command") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        context = command.make_context("fedface", [], resilient_parsing=True)
        command = command.get_command(context, name)
        if command is None:
            return [f"no command {name}"]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "--version"}
    wrong = [f"no option {word}" for word in rest if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]
    if wrong or {"--help", "--version"} & {*rest}:
        return wrong
    _, left, _ = command.make_parser(command.make_context("fedface", [], resilient_parsing=True)).parse_args(rest)
    return [f"no argument {word}" for word in left]


@each_page
def test_each_fedface_command_exists_with_its_options(page: Path) -> None:
    lines = [words for words in command_lines(page) if words and words[0] == "fedface"]
    assert {" ".join(words): problems(words) for words in lines if problems(words)} == {}


@each_page
def test_each_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for words in command_lines(page) if words and words[0] == "make" for word in words[1:]}
    named |= set(re.findall(r"`make ([a-z-]+)`", page.read_text()))
    assert {name for name in named if re.fullmatch(r"[a-z-]+", name)} <= targets


def test_a_command_whose_answer_goes_into_a_variable_is_looked_at(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "$ RUN=$(fedface run create plan.toml --begin)   # prints the id (of the run)\n$ fedface run watch $RUN\n"
    )
    assert command_lines(page) == [["fedface", "run", "create", "plan.toml", "--begin"], ["fedface", "run", "watch", "$RUN"]]


def test_a_wrong_command_and_a_wrong_option_are_noticed() -> None:
    assert problems(["fedface", "run", "begin"]) == ["no command begin"]
    assert problems(["fedface", "run", "create", "plan.toml", "--begin"]) == ["no option --begin"]
    assert problems(["fedface", "bench", "chaos", "--seed", "1"]) == []
    assert problems(["fedface", "bench", "chaos", "--json", "chaos.json"]) == ["no argument chaos.json"]
