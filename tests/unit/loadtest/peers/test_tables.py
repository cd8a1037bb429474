"""The tables have a row for every system, measured or not."""

from __future__ import annotations

import json

from loadtest.peers.systems import SYSTEMS
from loadtest.peers.tables import columns, format_markdown, peers_title, terminal_columns, terminal_peer_columns
from support.peer_figures import OURS, compared, measurements, repetition

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


def test_our_systems_are_compared_with_each_peer_within_a_repetition() -> None:
    """In the second repetition all but Flower take half as long, so the ratio of the medians would be another."""
    order = [FLOWER, SYSTEMS["pfl-2"], OURS, SYSTEMS["ours-s3"]]
    seconds = {"flower": (6.0, 6.0), "pfl-2": (2.0, 1.0), "ours": (4.0, 2.0), "ours-s3": (8.0, 4.0)}
    taken = measurements(order)
    taken.take_turns(lambda system, number: repetition(seconds[system.name][number]), 2)
    comparison = taken.comparison()
    names, flower, pfl = terminal_peer_columns(comparison)
    assert [(column.head, column.cells) for column in (names, flower, pfl)] == [
        ("system", ("ours", "ours-s3")),
        ("flower", ("2.25 [1.5, 3]", "1.12 [0.75, 1.5]")),
        ("pfl-2", ("0.5 [0.5, 0.5]", "0.25 [0.25, 0.25]")),
    ]
    of_json = {system["name"]: system["speeds"] for system in json.loads(comparison.model_dump_json())["systems"]}
    assert of_json["flower"] == {}
    assert of_json["ours-s3"] == {"flower": {"values": [0.75, 1.5]}, "pfl-2": {"values": [0.25, 0.25]}}
    assert f"| {OURS.label} | 2.25 [1.5, 3] | 0.5 [0.5, 0.5] |" in format_markdown(comparison)


def test_without_a_peer_there_is_no_table_of_peers() -> None:
    assert terminal_peer_columns(compared({"flower": "no flower in folder"})) == ()
    assert peers_title() not in format_markdown(compared())
