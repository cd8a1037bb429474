"""Commands of other packages are found by entry points, and a missing package is named."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest
import typer

from fedface_cli import command_group
from fedface_cli.command_group import ADDED_BY, GROUP, CommandGroup, Subgroup
from fedface_core.domain.errors import InvalidInputError
from support.command_line import Invoke

app = typer.Typer()
app.command("list")(lambda: None)
app.command("add")(lambda: None)


def greet(name: str) -> None:
    """Greet somebody."""


def group_with(monkeypatch: pytest.MonkeyPatch, *added: str, name: str | None = None) -> CommandGroup:
    """The root group, or the one of this name below it; another package adds the entry points ``added``."""
    found = [EntryPoint(name, f"{__name__}:unused", GROUP) for name in added]
    monkeypatch.setattr(command_group, "entry_points", lambda *, group: [each for each in found if each.group == group])
    return CommandGroup(name="fedface") if name is None else Subgroup(name=name)


def test_added_commands_come_in_the_order_of_the_table_and_others_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    group = group_with(monkeypatch, "zebra", "study", "ant", "up", "demo")
    assert group.list_commands(None) == ["up", "demo", "study", "ant", "zebra"]


@pytest.mark.parametrize("name", ADDED_BY)
def test_a_command_whose_package_is_missing_names_the_package(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    above, _, last = name.rpartition(".")
    path = name.replace(".", " ")
    with pytest.raises(InvalidInputError, match=f"`fedface {path}` is not installed here.*{ADDED_BY[name]}"):
        group_with(monkeypatch, name=above or None).get_command(None, last)


def test_a_dot_in_the_name_leads_into_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    added = ("model.weigh", "study", "model.export", "model.import", "run.fast")
    group = group_with(monkeypatch, *added, name="model")
    assert group.list_commands(None) == ["import", "export", "weigh"]
    monkeypatch.setattr(EntryPoint, "load", lambda _entry_point: greet)
    assert group.get_command(None, "weigh").name == "weigh"
    assert group.get_command(None, "study") is None
    assert group_with(monkeypatch, *added).list_commands(None) == ["study"]
    assert group_with(monkeypatch, *added).get_command(None, "model.import") is None


def test_an_unknown_command_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert group_with(monkeypatch, "study").get_command(None, "stduy") is None


@pytest.mark.parametrize(("target", "subcommands"), [(greet, None), (app, {"list", "add"})], ids=["function", "app"])
def test_a_function_or_an_app_is_a_command_of_its_entry_points_name(
    monkeypatch: pytest.MonkeyPatch, target: object, subcommands: set[str] | None
) -> None:
    group = group_with(monkeypatch, "study")
    monkeypatch.setattr(EntryPoint, "load", lambda _entry_point: target)
    command = group.get_command(None, "study")
    assert command.name == "study"
    options = [option for parameter in command.params for option in parameter.opts]
    assert "--install-completion" not in options, "it is an option of fedface itself"
    assert (set(command.commands) if subcommands else None) == subcommands


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["stduy"], "`fedface study`"),
        (["rnu"], "`fedface run`"),
        (["run", "creat"], "`fedface run create`"),
        (["model", "exprt"], "`fedface model export`"),
        (["restore"], "`fedface run restore`"),
        (["login1"], "`fedface login`"),
    ],
)
def test_a_slip_in_a_command_is_answered_with_what_was_meant(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, words: list[str], meant: str
) -> None:
    monkeypatch.setattr("sys.argv", ["fedface"])
    code, _, err = fedface(*words, "--json")
    detail = json.loads(err)["detail"]
    assert (code, detail.startswith(f"No such command '{words[-1]}'. Did you mean {meant}")) == (2, True), detail


def test_what_is_like_nothing_is_only_unknown(fedface: Invoke) -> None:
    assert json.loads(fedface("qqqqqq", "--json")[2])["detail"] == "No such command 'qqqqqq'."
    assert json.loads(fedface("--qqqqqq", "--json")[2])["detail"] == "No such option: --qqqqqq"


@pytest.mark.parametrize(
    "words",
    [
        ["run", "list", "http://user:pw~1@host"],
        ["http://user:pw~1@host"],
        ["run", "http://user:pw~1@host"],
        ["run", "list", "--limit", "http://user:pw~1@host"],
        ["run", "list", "--no=http://user:pw~1@host"],
        ["--no=http://user:pw~1@host"],
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_an_error_about_what_was_typed_quotes_no_password(fedface: Invoke, words: list[str], form: list[str]) -> None:
    code, out, err = fedface(*words, *form)
    assert (code, "pw~" in out + err) == (2, False)
