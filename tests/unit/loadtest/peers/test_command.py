"""`fedface bench peers` refuses wrong options and unwritable files before anything starts."""

from __future__ import annotations

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


def test_a_report_that_cannot_be_written_is_refused_at_once(fedface: Invoke, tmp_path: Path) -> None:
    status, out, err = fedface("bench", "peers", "--json", str(tmp_path / "nowhere" / "report.json"))
    assert status == 1
    assert "there is no directory" in out
    assert "Traceback" not in out + err
    status, out, err = fedface("bench", "peers", "--plot", str(tmp_path / "plot.txt"))
    assert status == 1
    assert "give a file that ends in .png or .pdf" in out


def test_without_any_system_there_is_no_comparison(fedface: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("loadtest.peers.comparison.prepare_environments", lambda *_: ({}, {"flower": "no network"}))
    file = tmp_path / "report.json"
    status, out, _ = fedface("bench", "peers", "--systems", "flower", "--json", str(file))
    assert status == 1
    assert "none of the systems can be measured: no network" in out
    assert not file.exists()
