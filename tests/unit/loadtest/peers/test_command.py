"""`fedface bench peers` refuses wrong options and unwritable files before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import Invoke


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.peers.comparison.prepare_environments", lambda *_: pytest.fail("an environment was made"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--systems", "horse"), "--systems 'horse': give some of bare-loop"),
        (("--systems", "ours,ours"), "each once"),
        (("--repetitions", "0"), "--repetitions"),
        (("--size", "huge"), "--size"),
    ],
)
def test_wrong_options_are_refused_at_once(fedface: Invoke, options: tuple[str, ...], complaint: str) -> None:
    status, _, err = fedface("bench", "peers", *options)
    assert status == 2
    assert complaint in err


def test_a_file_that_cannot_be_written_is_refused_at_once(fedface: Invoke, tmp_path: Path) -> None:
    status, out, err = fedface("bench", "peers", "--markdown", str(tmp_path / "nowhere" / "table.md"))
    assert (status, out) == (2, "")
    assert "there is no directory" in err
    assert "Traceback" not in err
    status, out, err = fedface("bench", "peers", "--plot", str(tmp_path / "plot.txt"))
    assert (status, out) == (2, "")
    assert "give a file that ends in .png or .pdf" in err


def test_without_any_system_there_is_no_comparison(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.peers.comparison.prepare_environments", lambda *_: ({}, {"flower": "no network"}))
    status, out, err = fedface("bench", "peers", "--systems", "flower", "--json")
    assert (status, out) == (1, "")
    assert json.loads(err[err.index("{") :])["detail"] == "none of the systems can be measured: no network"


@pytest.mark.parametrize(
    ("systems", "said"),
    [
        (
            "pfl-1,flower,pfl-2",
            "first installs pfl and flower in FOLDER, for 60 minutes each at most; then measures for 9",
        ),
        ("ours", "measures for 9 minutes at most"),
    ],
)
def test_its_first_line_says_whether_it_installs_something_first(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, systems: str, said: str
) -> None:
    monkeypatch.setattr("loadtest.peers.comparison.prepare_environments", lambda *_: ({}, {"flower": "no network"}))
    _, out, _ = fedface("bench", "peers", "--systems", systems, "--environments", str(tmp_path))
    assert "".join(out.split()).startswith("".join(said.replace("FOLDER", str(tmp_path)).split()))
