"""What commands print goes through `fedface_cli.terminal` and `PlainConsole`, which show text as text; files are UTF-8."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

import pytest

from architecture.packages import ROOT, SOURCES

PRINTING: Final = {"services/cli/fedface_cli/terminal.py", "services/cli/fedface_cli/plain_console.py"}
# What takes text and reads markup in it, or prints text as it is.
DIRECT: Final = {"print", "typer.echo", "typer.secho", "typer.confirm", "typer.prompt", "click.echo", "Text.from_markup"}
OF_RICH: Final = {"Console", "Status", "TextColumn", "Panel", "Prompt", "Confirm", "print", "get_console"}
# Rich writes to a console of its own unless it is given one.
NEEDS_CONSOLE: Final = {"Progress", "Live", "track"}
# Before a service has logs, it can only write to standard error. The runners of the peers import nothing of ours.
OF_SERVICES: Final = ("shared/", "services/control/", "services/client/", "services/aggregator/", "services/evaluator/")
RUNNERS: Final = "loadtest/peers/runners/"


def direct(code: str) -> list[str]:
    """The calls in a module that print, but not by the two modules."""
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    of_rich = {alias.name for node in imports if (node.module or "").startswith("rich") for alias in node.names}
    found = []
    for call in calls(code):
        name = ast.unparse(call.func)
        lacks_console = name in NEEDS_CONSOLE & of_rich and not keyword(call, "console")
        if name in DIRECT | (OF_RICH & of_rich) or lacks_console:
            found.append(f"{call.lineno}: {name}")
    return found


def without_encoding(code: str) -> list[str]:
    """The calls in a module that read or write text in the encoding of whoever runs it."""
    found = []
    for call in calls(code):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        modes = [value for value in (mode(call, name), keyword(call, "mode")) if isinstance(value, ast.Constant)]
        is_text = any(isinstance(value.value, str) and {*value.value} <= {*"rwaxt+"} for value in modes)
        opens_text = is_text or (name == "open" and isinstance(call.func, ast.Name) and len(call.args) == 1)
        is_text |= name in ("read_text", "write_text") and isinstance(call.func, ast.Attribute)
        if (is_text or (name == "open" and opens_text)) and not keyword(call, "encoding"):
            found.append(f"{call.lineno}: {ast.unparse(call.func)}")
    return found


def calls(code: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((given.value for given in call.keywords if given.arg == name), None)


def mode(call: ast.Call, name: str) -> ast.expr | None:
    """The mode of an `open`: the second argument of the function, the first one of the method."""
    place = 1 if isinstance(call.func, ast.Name) else 0
    return call.args[place] if name == "open" and len(call.args) > place else None


def test_the_search_finds_what_it_is_for() -> None:
    code = 'print(1)\ntyper.echo(2)\nConsole()\nTextColumn("[b]")\nProgress()\nProgress(console=c)\nconsole.print(3)\nsay(4)'
    assert direct(code) == ["1: print", "2: typer.echo"]
    code += "\nfrom rich.console import Console\nfrom rich.progress import Progress, TextColumn"
    assert direct(code) == ["1: print", "2: typer.echo", "3: Console", "4: TextColumn", "5: Progress"]
    code = 'p.read_text()\np.write_text("x", encoding="utf-8")\nopen(p)\nopen(p, "rb")\np.open("w")\np.open("wb")\nP.open(f)'
    assert without_encoding(code) == ["1: p.read_text", "3: open", "5: p.open"]


@pytest.mark.parametrize("search", [direct, without_encoding])
def test_all_commands_print_and_write_in_one_way(search: Callable[[str], list[str]]) -> None:
    found = {}
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        if search is direct and (name in PRINTING or name.startswith((*OF_SERVICES, RUNNERS))):
            continue
        lines = search(path.read_text(encoding="utf-8"))
        if lines:
            found[name] = lines
    assert found == {}
