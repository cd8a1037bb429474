"""`fedface bench scale` reports each simulated round, and compares with rounds of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.command_line import Invoke


def test_rounds_are_simulated_as_a_table_json_and_a_plot(fedface: Invoke, tmp_path: Path) -> None:
    plot_file = tmp_path / "scale.png"
    options = ("--clients", "50,500", "--changes", "200", "--plot", str(plot_file), "--json")
    status, out, err = fedface("bench", "scale", *options)
    assert status == 0, err
    rounds = json.loads(out)["rounds"]
    assert [(one["label"], one["workload"]["clients"]) for one in rounds[:4]] == [
        ("workers: 1", 50),
        ("workers: 10", 50),
        ("workers: 100", 50),
        ("workers: 1", 500),
    ]
    assert {one["workload"]["clients"] for one in rounds[6:-2]} == {200}
    assert [(one["workload"]["runs"], one["workload"]["clients"]) for one in rounds[-2:]] == [(8, 25)] * 2
    assert all(sum(one["stages"].values()) == pytest.approx(one["round_seconds"]) for one in rounds)
    assert "what moves the walls" in err
    assert plot_file.read_bytes().startswith(b"\x89PNG")


def test_growth_alone_is_simulated_if_no_changes_are_wanted(fedface: Invoke, tmp_path: Path) -> None:
    status, out, err = fedface("bench", "scale", "--clients", "50", "--changes", "none", "--json")
    assert status == 0, err
    assert [one["workload"]["clients"] for one in json.loads(out)["rounds"]] == [50, 50, 50]
    assert "what moves the walls" not in err
    status, _, err = fedface("bench", "scale", "--changes", "none", "--plot", str(tmp_path / "scale.png"))
    assert status == 2
    assert "--plot shows what changes bring: it needs --changes" in err


def test_measured_rounds_stand_beside_simulated_ones(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "loadtest.scale.compare.measure_rounds", lambda clients, *_: SimpleNamespace(round_seconds=clients / 10)
    )
    status, out, err = fedface("bench", "scale", "--check", "40,10", "--json")
    assert status == 0, err
    rounds = json.loads(out)["rounds"]
    assert [(one["clients"], one["measured_seconds"]) for one in rounds] == [(10, 1.0), (40, 4.0)]
    assert rounds[0]["simulated_seconds"] < rounds[1]["simulated_seconds"]


@pytest.mark.parametrize(("option", "given"), [("--clients", "ten"), ("--changes", "0"), ("--check", "2000000")])
def test_wrong_numbers_are_refused(fedface: Invoke, option: str, given: str) -> None:
    status, _, err = fedface("bench", "scale", option, given)
    assert status == 2
    assert f"{option} '{given}': give numbers of clients from 1 to 1,000,000" in err
