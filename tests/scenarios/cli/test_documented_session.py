"""Each command of docs/cli.md is run as it is written, in the order of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fedface_cli import issuer
from support.api_by_hand import ByHand
from support.command_line import Invoke
from support.fake_sign_in import KEY_ID, FakeSignIn, served_sign_in

__all__ = ["served_sign_in"]
PAGE = Path(__file__).parents[3] / "docs/cli.md"
OF_PEOPLE = {"login", "logout", "whoami", "keys"}


def command_lines() -> list[list[str]]:
    """The command lines of the page as words, without what follows a pipe."""
    lines = re.findall(r"^\$ fedface (.*)$", PAGE.read_text(), re.MULTILINE)
    return [shlex.split(line.split(" | ")[0], comments=True) for line in lines]


@pytest.fixture
def people(served_sign_in: FakeSignIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSignIn:
    """An API where Ada, who is an admin, can sign in."""
    for name, value in vars(FakeSignIn(url=served_sign_in.url)).items():
        setattr(served_sign_in, name, value)
    served_sign_in.token_answers = [served_sign_in.tokens("token-of-ada")]
    served_sign_in.believed["token-of-ada"] = ("oidc:ada", ["admin"])
    monkeypatch.setattr(issuer, "pause", lambda _seconds: None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return served_sign_in


def test_the_page_has_commands() -> None:
    assert len(command_lines()) >= 16
    assert f"keys delete {KEY_ID}" in PAGE.read_text()


def test_each_command_of_the_page_works(
    fedface: Invoke, api: ByHand, people: FakeSignIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    runs = iter([api.completed() for _ in range(12)])
    for words in command_lines():
        where = people.url if words[0] in OF_PEOPLE or "--api-url" in words else api.url
        monkeypatch.setenv("FEDFACE_API_URL", where)
        said = [next(runs) if word == "RUN" else where if word == "http://127.0.0.1:8000" else word for word in words]
        people.is_open = "--api-url" in words
        if words == ["--install-completion"]:  # it would look at the shell that started the tests
            said = ["--show-completion", "bash"]
            monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
        code, out, err = fedface(*said)
        assert (code, bool(out)) == (0, True), (said, out, err)
