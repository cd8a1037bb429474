"""Whole systems beside each other on one device: equal work, ratios of their rounds, and what is missing is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from loadtest.bare.workload import read_workload
from loadtest.gpu import systems
from loadtest.gpu.goals import BESIDE_PFL, STORE_ROUND
from loadtest.gpu.systems import measure_systems
from loadtest.gpu.time_budget import TimeBudget
from loadtest.gpu.workloads import Size
from loadtest.peers.agreement import ModelsDisagreeError
from loadtest.peers.measure import Repetition
from loadtest.peers.systems import System

NO_PFL = "is not installed; `fedface bench peers"


class Started:
    """Stands in for the start of a system, and keeps what was started."""

    def __init__(self, difference: float = 0.0) -> None:
        self.systems: list[System] = []
        self._difference = difference

    def __call__(
        self, system: System, _python: Path | None, workload: Path, rounds: int, _folder: Path, _limit: float
    ) -> Repetition:
        read = read_workload(workload)
        assert len(read.images_CNCHW) == Size.tiny().clients
        model = {"weight": torch.full((2,), self._difference * len(self.systems))}
        self.systems.append(system)
        return Repetition(1.0, 1.0, (2.0,) * rounds, 1.0, model, "2")


def test_rounds_through_the_store_and_of_pfl_research_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started = Started()
    monkeypatch.setattr(systems, "measure", started)
    monkeypatch.setattr(systems, "installed_environment", lambda _name, folder: folder / "python")
    budget = TimeBudget(600)
    singly, combined, beside_pfl = measure_systems(Size.tiny(), "cpu", 2, tmp_path, budget)
    assert [each.goal for each in (singly, combined, beside_pfl)] == [STORE_ROUND, None, BESIDE_PFL]
    assert singly.seconds.values == combined.seconds.values == beside_pfl.beside_seconds.values == (2.0, 2.0)
    assert singly.ratio.values[0] == singly.beside_seconds.values[0] / 2.0
    assert (combined.beside, combined.beside_seconds) == ("single delivery", singly.seconds)
    assert beside_pfl.beside == "pfl-research 0.6.0, 1 process"
    assert [system.runner for system in started.systems] == ["stack", "stack", "pfl_research"]
    assert [system.variant for system in started.systems[:2]] == ["directory", "directory+combined"]
    assert started.systems[2].variables == {"PFL_PYTORCH_DEVICE": "cpu"}
    assert not budget.left_out


def test_without_pfl_research_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(systems, "measure", Started())
    monkeypatch.setattr(systems, "find_spec", lambda _name: None)
    budget = TimeBudget(600)
    found = measure_systems(Size.tiny(), "cpu", 1, tmp_path, budget)
    assert [speed.goal for speed in found] == [STORE_ROUND, None]
    assert [NO_PFL in reason for reason in budget.left_out] == [True]


def test_systems_that_made_other_models_are_not_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(systems, "measure", Started(difference=0.1))
    with pytest.raises(ModelsDisagreeError, match="did not do the same work"):
        measure_systems(Size.tiny(), "cpu", 1, tmp_path, TimeBudget(600))


def test_without_time_nothing_is_started_and_all_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started = Started()
    monkeypatch.setattr(systems, "measure", started)
    budget = TimeBudget(0)
    assert measure_systems(Size.tiny(), "cpu", 1, tmp_path, budget) == []
    assert started.systems == []
    assert len(budget.left_out) == 3
    assert budget.left_out[0] == "a round of 6 clients through queue and store, for want of time"
