"""`fedface bench scale` reports each simulated round, and compares with rounds of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from fedface_core.domain.plan import Plan
from loadtest.bench.machine import this_machine
from loadtest.scale import compare
from loadtest.scale.local_rounds import MeasuredRound
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


class FakeRounds:
    """A stack on which each client takes 0.1 s, half of it processor time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def measure(self, plan_of: Callable[[int], Plan]) -> MeasuredRound:
        clients = plan_of(3).split.clients
        return MeasuredRound(clients / 10, clients / 20)


def test_measured_rounds_stand_beside_simulated_ones(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compare, "LocalRounds", lambda *_: FakeRounds(tmp_path))
    monkeypatch.setattr(compare, "training_ms_of_all_cores", lambda plan, *_: 5.0 * plan.local_training.steps + 1.0)
    options = ("--check", "40,10", "--check-training", "20", "--delivery", "combined", "--artifacts", "s3", "--json")
    status, out, err = fedface("bench", "scale", *options)
    assert status == 0, err
    rounds = json.loads(out)["rounds"]
    assert [(one["clients_do"], one["clients"], one["training_ms"]) for one in rounds] == [
        ("nothing", 10, 1.0),
        ("nothing", 40, 1.0),
        ("train", 20, 26.0),
    ]
    assert {(one["delivery"], one["artifacts"]) for one in rounds} == {("combined", "s3")}
    assert [one["measured_processor_seconds"] for one in rounds] == [0.5, 2.0, 1.0]
    assert rounds[0]["simulated_seconds"] < rounds[1]["simulated_seconds"]
    assert rounds[2]["simulated_processor_seconds"] > 20 * 0.026
    assert all(one["simulated_processor_seconds"] < this_machine().cores * one["simulated_seconds"] for one in rounds)


@pytest.mark.parametrize(
    ("option", "given"),
    [("--clients", "ten"), ("--changes", "0"), ("--check", "2000000"), ("--check-training", "few")],
)
def test_wrong_numbers_are_refused(fedface: Invoke, option: str, given: str) -> None:
    status, _, err = fedface("bench", "scale", option, given)
    assert status == 2
    assert f"{option} '{given}': give numbers of clients from 1 to 1,000,000" in err
