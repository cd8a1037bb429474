"""What whole families of commands have: ``--json``, and options that say which API is meant."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fedface_cli.api_client import ControlApi
from fedface_cli.exit_status import ExitStatus
from fedface_cli.main import app
from fedface_cli.run_commands import pause
from support.api_answers import RUN
from support.api_by_hand import MODEL, ByHand
from support.command_line import Invoke

API_OPTIONS = {"--api-url", "--profile", "--ca-file"}


def walk(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The commands of a group and of the groups below it, by their paths; those that other packages add, too."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        path = f"{above}{name}"
        yield from walk(command, f"{path} ") if hasattr(command, "list_commands") else [(path, command)]


COMMANDS = dict(walk(typer.main.get_command(app)))
OF_THE_STACK = {"up", "demo", "pretrain", "evaluate", "simulate", "model import", "model export"}
ASKING_NOBODY = ("attack", "bench", "data", "study")
ASKS_NOBODY = {"plan init", *OF_THE_STACK} | {path for path in COMMANDS if path.split()[0] in ASKING_NOBODY}
MAY_ASK = {"model export"}
"""Commands that ask the API for what a person has no file of."""
each_command = pytest.mark.parametrize("path", sorted(COMMANDS))


def words_of(path: str) -> list[str]:
    """The command line of a command with something for each argument and each option that it needs."""
    words = path.split()
    for parameter in COMMANDS[path].params:
        if not parameter.required:
            continue
        if parameter.param_type_name == "option":
            words += [parameter.opts[0], "viewer"]
        else:
            words += {"plan_file": ["plan.toml"], "model_file": ["model"]}.get(parameter.name, [RUN])
    if any("--yes" in parameter.opts for parameter in COMMANDS[path].params):
        words.append("--yes")
    return [*words, RUN] if path == "run compare" else words


def test_the_walk_finds_the_commands() -> None:
    assert {"run create", "run watch", "round list", "plan diff", "keys create", "login", "model upload"} <= COMMANDS.keys()
    assert {"up", "demo", "study run", "data prepare", "pretrain", "evaluate", "model import"} <= COMMANDS.keys()
    assert {"bench chaos", "bench peers", "bench start", "bench simulate"} <= COMMANDS.keys()
    assert len(COMMANDS) > 45


@each_command
def test_each_command_has_the_options(path: str) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert "--json" in options
    assert all(parameter.is_flag for parameter in COMMANDS[path].params if "--json" in parameter.opts)
    assert (options & API_OPTIONS) == (set() if path in ASKS_NOBODY - MAY_ASK else API_OPTIONS)


@each_command
def test_no_argument_has_brackets_of_its_own(path: str) -> None:
    """The line of usage puts brackets around arguments that may be left out."""
    assert [parameter.name for parameter in COMMANDS[path].params if str(parameter.metavar).startswith("[")] == []


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - ASKS_NOBODY - {"logout"}))
def test_a_command_that_finds_no_api_says_so_in_json(
    fedface: Invoke, path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.toml").write_text("rounds = 3\n")
    (tmp_path / "model").write_bytes(MODEL)
    code, out, err = fedface(*words_of(path), "--json", "--api-url", "http://127.0.0.1:9")
    assert code == ExitStatus.UNAVAILABLE
    problem = json.loads(err)
    assert problem.keys() == {"type", "title", "status", "detail", "errors"}
    assert (problem["title"], problem["status"]) == ("Unavailable", 503)
    assert problem["type"] == "urn:fedface:problem:unavailable"
    assert out == "" if path != "artifacts collect" else json.loads(out)["complete"] is False


def test_the_commands_that_ask_nobody_say_what_is_wrong_in_json(fedface: Invoke, home: Path) -> None:
    (home / "plan.toml").touch()
    code, out, err = fedface("plan", "init", str(home / "plan.toml"), "--json")
    assert (code, out, json.loads(err)["title"]) == (2, "", "Invalid input")
    code, out, _ = fedface("logout", "--json", "--api-url", "http://127.0.0.1:9")
    assert (code, json.loads(out)) == (0, {"api_url": "http://127.0.0.1:9", "forgotten": False})


@each_command
def test_a_wrong_option_is_a_problem_too(fedface: Invoke, path: str) -> None:
    code, out, err = fedface(*words_of(path), "--no-such-option", "--json")
    assert (code, out) == (2, "")
    assert (json.loads(err)["title"], json.loads(err)["type"]) == ("Wrong usage", "urn:fedface:problem:wrong-usage")
    assert "--no-such-option" in json.loads(err)["detail"]


def test_commands_in_json_print_one_document(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    done = api.completed()
    plan = tmp_path / "plan.toml"
    plan.write_text("rounds = 3\n[split]\nclients = 4\n")
    run = json.loads(fedface("run", "create", str(plan), "--json")[1])["id"]
    asked = [
        *(["run", word, run] for word in ("start", "pause", "resume", "show", "cancel", "clone")),
        *(["run", "list"], ["run", "compare", done, run], ["run", "watch", done]),
        *(["round", "list", done], ["round", "report", done], ["round", "report", done, "0"]),
        *(["plan", "check", str(plan)], ["plan", "diff", str(plan), done], ["run", "restore"]),
        *(["plan", "init", str(tmp_path / "new.toml")], ["model", "download", done, "-o", str(tmp_path / "model")]),
        ["artifacts", "collect", "--dry-run"],
    ]
    for words in asked:
        code, out, err = fedface(*words, "--json")
        assert (code, err) == (0, ""), words
        assert isinstance(json.loads(out), dict)


def test_a_run_that_is_gone_is_told_in_json(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    run = api.created()
    monkeypatch.setattr(ControlApi, "delete", lambda *_arguments, **_options: None)
    code, out, err = fedface("run", "delete", run, "--yes", "--json")
    assert (code, json.loads(out), err) == (0, {"id": run, "phase": "deleted"}, "")


def test_a_round_in_json(fedface: Invoke, api: ByHand) -> None:
    run = api.started()
    api.finish_round(run, 0)
    for words in (["skip-evaluation"], ["retry"]):
        code, out, err = fedface("round", *words, run, "--json")
        assert (code, err, json.loads(out)["id"]) == (0, "", run)
    api.accept(run, 2, 1)
    assert json.loads(fedface("round", "close", run, "--json")[1])["round_phase"] == "aggregating"


def test_a_problem_of_the_api_keeps_its_fields(fedface: Invoke, api: ByHand) -> None:
    code, out, err = fedface("run", "clone", api.completed(), "--set", "rounds=0", "--json")
    assert (code, out) == (2, "")
    problem = json.loads(err)
    assert (problem["status"], problem["errors"][0]["field"]) == (422, "rounds")
    assert "\n" not in problem["detail"], "the fields are said once"


def test_a_run_is_not_deleted_by_a_script_that_does_not_say_yes(fedface: Invoke, api: ByHand) -> None:
    run = api.created()
    code, _, err = fedface("run", "delete", run, "--json")
    assert (code, "add --yes" in json.loads(err)["detail"]) == (2, True)
    assert api.ports.ledger.load(run).phase == "created"


def test_a_file_that_is_called_like_the_option_is_a_file(fedface: Invoke) -> None:
    code, _, err = fedface("plan", "check", "--", "--json")
    assert (code, err) == (2, "error: cannot read --json: No such file or directory\n")


def test_a_decorated_command_keeps_its_own_parameters() -> None:
    assert [*inspect.signature(pause).parameters] == ["run_id", "now", "as_json", "api_url", "profile", "ca_file"]
