"""What a shell offers for a word that is not whole yet."""

from __future__ import annotations

import socket
import time

import pytest

from fedface_cli import completions
from support.api_by_hand import ByHand
from support.command_line import Invoke


@pytest.fixture
def offered(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """What bash and the like are offered for the last of the words."""
    monkeypatch.setattr("sys.argv", ["fedface"])

    def offer(*words: str, shell: str = "bash") -> tuple[int, str, str]:
        monkeypatch.setenv("_FEDFACE_COMPLETE", f"complete_{shell}")
        monkeypatch.setenv("COMP_WORDS", " ".join(["fedface", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", " ".join(["fedface", *words]))
        return fedface()

    return offer


@pytest.mark.parametrize(
    "words", [["run", "show"], ["run", "watch"], ["run", "compare"], ["round", "list"], ["run", "list", "--before"]]
)
def test_runs_are_offered_by_their_ids(offered: Invoke, api: ByHand, words: list[str]) -> None:
    first = api.created()
    second = api.started()
    assert offered(*words, "run-")[1].split() == [second, first]
    assert offered(*words, first[:-1])[1].split() == [run for run in (second, first) if run.startswith(first[:-1])]


def test_the_api_of_the_command_line_is_asked(offered: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    run = api.created()
    monkeypatch.setenv("FEDFACE_API_URL", "http://127.0.0.1:9")
    assert offered("run", "show", "--api-url", api.url, "run-")[1].split() == [run]


def test_a_shell_is_offered_no_name_which_it_might_evaluate(offered: Invoke, api: ByHand) -> None:
    api.created()
    out = offered("run", "show", "run-", shell="zsh")[1]
    assert "created" in out
    assert "by hand" not in out


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "ftp://nowhere", "http://[", ""])
def test_an_api_that_does_not_answer_offers_nothing(offered: Invoke, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", url or "http://127.0.0.1:9")
    monkeypatch.setenv("FEDFACE_TOKEN", "" if url else "no token\n")
    code, out, err = offered("run", "show", "run-")
    assert (code, out.strip(), err) == (0, "", "")


def test_an_api_that_is_silent_offers_nothing_soon(offered: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("FEDFACE_API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        assert offered("run", "show", "run-")[1].strip() == ""
    assert time.monotonic() - begun < 10


def test_phases_are_offered(offered: Invoke) -> None:
    assert offered("run", "list", "--phase", "pau")[1].split() == ["pausing", "paused"]
