"""A plan on a few synthetic people with a small network, for commands that read a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

SMALL_PLAN = """
name = "small"
[model]
architecture = "spherenet-4"
height = 24
width = 20
channels = 1
embedding_size = 8
widths = [4, 4, 8, 8]
weights = "random"
[data]
dataset = "synthetic"
images_per_identity = 4
[split]
public = 4
clients = 2
test = 5
"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    """The path of a file with the small plan."""
    path = tmp_path / "plan.toml"
    path.write_text(SMALL_PLAN)
    return str(path)
