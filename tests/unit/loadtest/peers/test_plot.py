"""The plot is a PNG, whose dotted line is the bare loop that its label names: that of the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.axes import Axes

from loadtest.peers.plot import plot_comparison
from loadtest.peers.systems import SYSTEMS, System
from support.peer_figures import LIMIT, OURS, compared, measurements, repetition

CHANNELS_LAST = SYSTEMS["bare-loop-channels-last"]


def test_a_png_is_written(tmp_path: Path) -> None:
    plot_comparison(compared(), tmp_path / "peers.png")
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("systems", "dotted"),
    [
        ([CHANNELS_LAST, LIMIT, OURS], (2.0, "; dotted: bare loop)")),
        ([CHANNELS_LAST, OURS], (1.0, "; dotted: bare loop, channels-last)")),
        ([OURS], (None, "strokes: repetitions)")),
    ],
)
def test_the_dotted_line_is_the_bare_loop_that_the_label_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systems: list[System], dotted: tuple[float | None, str]
) -> None:
    """The bare loop of the table, though the channels-last one is faster."""
    lines: list[float] = []
    labels: list[str] = []
    monkeypatch.setattr(Axes, "axvline", lambda _self, x, **_: lines.append(x))
    monkeypatch.setattr(Axes, "set_xlabel", lambda _self, label: labels.append(label))
    taken = measurements(systems)
    taken.take_turns(lambda system, _: repetition(1.0 if system is CHANNELS_LAST else 2.0 if system is LIMIT else 4.0), 1)
    plot_comparison(taken.comparison(), tmp_path / "peers.png")
    expected, ending = dotted
    assert lines == ([] if expected is None else [expected])
    assert labels[0].endswith(ending)
