"""How commands print: what people wrote as they wrote it, in every encoding, and scripts' JSON whole."""

from __future__ import annotations

import io
import json
import sys

import pytest

from fedface_cli import terminal
from fedface_cli.terminal import print_json, print_traceback, say, say_error
from fedface_core.domain.errors import FedFaceError

HOSTILE = "[/old] \x1b[2J\x07Ж\u202e\x9b"


def test_a_line_for_a_person_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    say("two\nlines", err=True)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("[/old] \\x1b[2J\\x07Ж\\u202e\\x9b\n", "two\nlines\n")


def test_an_error_says_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(FedFaceError(HOSTILE))
    assert capsys.readouterr().err == "error: [/old] \\x1b[2J\\x07Ж\\u202e\\x9b\n"


def test_json_for_scripts_is_ascii_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": HOSTILE + "\x7f👩"})
    print_json([1, None], indent=None)
    out = capsys.readouterr().out
    assert all(character == "\n" or " " <= character <= "~" for character in out)
    whole, end, short = out.partition("}")
    assert json.loads(whole + end) == {"name": HOSTILE + "\x7f👩"}
    assert short == "\n[1, null]\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_no_character_is_too_much_for_a_stream(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    terminal.prepare_streams()
    say("人")
    say("Ж", err=True)
    assert written.getvalue() == b"\\u4eba\n\\u0416\n"


def test_the_traceback_of_a_mistake_of_ours_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("no answer from http://user:pw~1@host:8000/runs")

    with pytest.raises(RuntimeError) as raised:
        fail()
    print_traceback(raised.type, raised.value, raised.tb)
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("RuntimeError: no answer from http://***@host:8000/runs\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_has_no_word_for_a_number_that_is_not_finite(value: float, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"auc": value})
    assert not capsys.readouterr().out
