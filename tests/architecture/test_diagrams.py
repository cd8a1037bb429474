"""The diagrams of phases in the documentation show the tables by which runs and rounds move, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from enum import StrEnum
from itertools import product
from pathlib import Path

import pytest

from fedface_core.domain.round_phase import FIRST_PHASES, ROUND_TRANSITIONS, RoundPhase
from fedface_core.domain.run import RUN_TRANSITIONS, Run, RunPhase
from fedface_core.domain.transitions import Transition

Table = Mapping[StrEnum, Transition[RunPhase | RoundPhase]]

ARCHITECTURE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()


def drawn(name: str) -> set[tuple[str, str]]:
    """The arrows of one state of the diagram; the arrow from nowhere starts at ``[*]``."""
    found = re.search(rf"^  state {name} {{$(.*?)^  }}$", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    assert found, f"no diagram of a {name}"
    lines = [line.partition(":")[0].strip() for line in found[1].strip().splitlines()]
    arrows = [tuple(line.split(" --> ")) for line in lines]
    return {(source, target) for source, target in arrows}


@pytest.mark.parametrize(
    ("name", "table", "first"),
    [
        ("run", RUN_TRANSITIONS, {Run.model_fields["phase"].default}),
        ("round", ROUND_TRANSITIONS, FIRST_PHASES),
    ],
)
def test_a_diagram_shows_its_table(
    name: str, table: Mapping[StrEnum, Transition[RunPhase | RoundPhase]], first: Set[StrEnum]
) -> None:
    arrows = {pair for move in table.values() for pair in product(move.sources, move.targets)}
    assert drawn(name) == {(str(source), str(target)) for source, target in arrows} | {
        ("[*]", str(phase)) for phase in first
    }


@pytest.mark.parametrize(("table", "phases"), [(RUN_TRANSITIONS, RunPhase), (ROUND_TRANSITIONS, RoundPhase)])
def test_every_phase_can_be_reached(table: Table, phases: type[RunPhase | RoundPhase]) -> None:
    first = next(iter(phases))
    assert {target for move in table.values() for target in move.targets} | {first} == set(phases)
