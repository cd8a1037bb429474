"""Systems take turns, count by their median round, and are compared with the limit of the repetition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedface_core.domain.errors import FedFaceError
from loadtest.peers.agreement import ModelsDisagreeError
from loadtest.peers.comparison import Comparison, prepare_environments
from loadtest.peers.environments import EnvironmentUnavailableError
from loadtest.peers.measure import Repetition, RunnerFailedError
from loadtest.peers.systems import SYSTEMS, System
from loadtest.peers.tables import notes
from support.peer_figures import LIMIT, MODEL, OURS, compare, compared, measurements, repetition

FLOWER = SYSTEMS["flower"]


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

    compare(measure, 2)
    assert order == [("bare-loop", 0), ("ours", 0), ("bare-loop", 1), ("ours", 1)]


def test_systems_whose_models_differ_are_not_compared() -> None:
    def measure(system: System, number: int) -> Repetition:
        off = 2e-4 if (system, number) == (OURS, 1) else 5e-5
        return repetition(1.0, model=MODEL if system is LIMIT else {**MODEL, "weight": MODEL["weight"] + off})

    with pytest.raises(ModelsDisagreeError, match=r"FedFace.*differs from that of bare loop.*by 0\.0002"):
        compare(measure, 2)
    assert compare(measure, 1).systems[1].largest_difference == pytest.approx(5e-5, rel=0.01)


def test_what_was_measured_before_a_signal_is_compared() -> None:
    def measure(system: System, number: int) -> Repetition:
        if (system, number) == (OURS, 1):
            raise KeyboardInterrupt
        return repetition(1.0 + number)

    taken = measurements([LIMIT, OURS, FLOWER])
    with pytest.raises(KeyboardInterrupt):
        taken.take_turns(measure, 2)
    comparison = taken.comparison("told to end")
    limit, ours, flower = comparison.systems
    assert [len(system.rounds) for system in (limit, ours, flower)] == [2, 1, 1]
    assert ours.speeds["bare-loop"].values == (1.0,), "only of the repetition that both have"
    assert (comparison.cut_off, comparison.repetitions, comparison.unavailable) == ("told to end", 2, {})


def test_a_system_whose_turn_has_not_come_is_named() -> None:
    taken = measurements([LIMIT, OURS])
    with pytest.raises(KeyboardInterrupt):
        taken.take_turns(cut_off_at(OURS), 1)
    comparison = taken.comparison("told to end")
    assert [system.name for system in comparison.systems] == ["bare-loop"]
    assert comparison.unavailable == {"ours": "told to end, before its turn"}


def test_nothing_measured_is_no_comparison() -> None:
    taken = measurements()
    with pytest.raises(KeyboardInterrupt):
        taken.take_turns(cut_off_at(LIMIT), 1)
    with pytest.raises(FedFaceError, match="no system was measured: told to end"):
        taken.comparison("told to end")


def cut_off_at(last: System) -> Callable[[System, int], Repetition]:
    def measure(system: System, _number: int) -> Repetition:
        if system is last:
            raise KeyboardInterrupt
        return repetition(1.0)

    return measure


def test_a_system_that_fails_has_no_further_turn_and_the_others_go_on() -> None:
    turns: list[tuple[str, int]] = []

    def measure(system: System, number: int) -> Repetition:
        turns.append((system.name, number))
        if system is FLOWER or (system, number) == (LIMIT, 1):
            raise RunnerFailedError(f"{system.name} ended with status 1")
        return repetition(1.0)

    taken = measurements([LIMIT, FLOWER, OURS])
    taken.take_turns(measure, 3)
    comparison = taken.comparison()
    assert turns == [("bare-loop", 0), ("flower", 0), ("ours", 0), ("bare-loop", 1), ("ours", 1), ("ours", 2)]
    assert [(system.name, len(system.rounds)) for system in comparison.systems] == [("bare-loop", 1), ("ours", 3)]
    assert comparison.unavailable == {"flower": "flower ended with status 1"}
    assert comparison.failed == {"flower": "flower ended with status 1", "bare-loop": "bare-loop ended with status 1"}
    assert notes(comparison) == [
        "bare loop, 2 processes failed in a later repetition: bare-loop ended with status 1",
        f"{FLOWER.label} was not measured: flower ended with status 1",
    ]


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
