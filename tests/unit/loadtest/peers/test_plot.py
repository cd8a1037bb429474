"""The plot is a PNG."""

from __future__ import annotations

from pathlib import Path

from loadtest.peers.plot import plot_comparison
from support.peer_figures import compared


def test_a_png_is_written(tmp_path: Path) -> None:
    plot_comparison(compared(), tmp_path / "peers.png")
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")
