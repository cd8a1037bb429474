"""The tables have a row for every system, measured or not."""

from __future__ import annotations

from loadtest.peers.systems import SYSTEMS
from loadtest.peers.tables import columns, format_markdown, terminal_columns
from support.peer_figures import compared

FLOWER = SYSTEMS["flower"]


def test_a_peer_that_was_not_measured_has_a_row_and_its_reason() -> None:
    comparison = compared({"flower": "no flower in folder"})
    assert columns(comparison)[0].cells[-1] == FLOWER.label
    assert columns(comparison)[1].cells[-1] == "not measured"
    text = format_markdown(comparison)
    assert f"| {FLOWER.label} | not measured |" in text
    assert "no flower in folder" in text


def test_the_terminal_names_systems_as_the_command_line_does() -> None:
    names, *others = terminal_columns(compared())
    assert names.cells == ("bare-loop", "ours")
    assert "speed, bare loop = 1" in [column.head for column in others]
