"""Systems take turns, count by their median round, and are compared with the limit of the repetition."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.peers.agreement import ModelsDisagreeError
from loadtest.peers.comparison import Comparison, compare, prepare_environments
from loadtest.peers.environments import EnvironmentUnavailableError
from loadtest.peers.measure import Repetition
from loadtest.peers.sizes import Size
from loadtest.peers.systems import SYSTEMS, System
from support.peer_figures import LIMIT, MODEL, OURS, compared, repetition, tiny_workload


def test_a_repetition_counts_by_its_median_round_and_is_compared_with_the_limit_of_its_turn() -> None:
    limit, ours = compared().systems
    assert limit.round_seconds.values == (2.0, 4.0)
    assert ours.round_seconds.values == (8.0, 16.0)
    assert ours.rounds == ((4.0, 8.0, 36.0), (8.0, 16.0, 72.0))
    assert ours.clients_per_second == 1 / 12.0
    assert ours.speeds["bare-loop"].values == (0.25, 0.25)
    assert limit.speeds["bare-loop"].values == (1.0, 1.0)
    assert set(ours.speeds) == {"bare-loop"}, "a limit that was not measured is no column"


def test_the_systems_take_turns() -> None:
    order: list[tuple[str, int]] = []

    def measure(system: System, number: int) -> Repetition:
        order.append((system.name, number))
        return repetition(1.0)

    compare(Size.TINY, tiny_workload(), [LIMIT, OURS], measure, 2, {})
    assert order == [("bare-loop", 0), ("ours", 0), ("bare-loop", 1), ("ours", 1)]


def test_systems_whose_models_differ_are_not_compared() -> None:
    def measure(system: System, number: int) -> Repetition:
        off = 2e-4 if (system, number) == (OURS, 1) else 5e-5
        return repetition(1.0, model=MODEL if system is LIMIT else {**MODEL, "weight": MODEL["weight"] + off})

    with pytest.raises(ModelsDisagreeError, match=r"FedFace.*differs from that of bare loop.*by 0\.0002"):
        compare(Size.TINY, tiny_workload(), [LIMIT, OURS], measure, 2, {})
    assert compare(Size.TINY, tiny_workload(), [LIMIT, OURS], measure, 1, {}).systems[1].largest_difference == pytest.approx(
        5e-5, rel=0.01
    )


def test_a_peer_without_an_environment_is_named_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, folder: Path) -> Path:
        raise EnvironmentUnavailableError(f"no {name} in {folder.name}")

    monkeypatch.setattr("loadtest.peers.comparison.prepare_environment", refuse)
    pythons, unavailable = prepare_environments([LIMIT, SYSTEMS["flower"], OURS], tmp_path / "folder")
    assert pythons == {"bare-loop": None, "ours": None}
    assert unavailable == {"flower": "no flower in folder"}


def test_a_comparison_is_read_back_from_json_as_it_was_written() -> None:
    comparison = compared({"flower": "no flower"})
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison
