"""Which photographs are prepared, in which order, and how each format is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.data.face_points import Face
from fedface_lab.data.prepare_journal import PreparationSettings
from fedface_lab.data.prepare_photographs import photographs_in, prepare_photographs
from fedface_learning.data.alignment import TEMPLATES

SETTINGS = PreparationSettings(source="raw", template="112x96", points="dlib")


def test_photographs_are_listed_in_natural_order_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b/10.png", "b/9.JPG", "a/sub/1.pgm", "a/.hidden.png", ".trash/1.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    assert photographs_in(tmp_path) == ["a/sub/1.pgm", "b/9.JPG", "b/10.png"]
    with pytest.raises(InvalidInputError, match="there is no folder"):
        photographs_in(tmp_path / "none")
    with pytest.raises(InvalidInputError, match=r"holds no \.jpg"):
        photographs_in(tmp_path / "empty")


def test_several_faces_are_reported_and_colours_kept(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (112, 96, 3), np.uint8)
    (tmp_path / "raw").mkdir()
    Image.fromarray(pixels).save(tmp_path / "raw" / "1.png")
    face = Face(TEMPLATES["112x96"].points, faces=3, box=(1, 2, 30, 40))
    progress: list[tuple[int, int]] = []
    report = prepare_photographs(
        tmp_path / "raw",
        tmp_path / "out",
        SETTINGS,
        lambda path, photograph: face,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert [(outcome.photograph, outcome.faces, outcome.taken) for outcome in report.several_faces] == [
        ("1.png", 3, (1, 2, 30, 40))
    ]
    assert progress == [(1, 1)]
    with Image.open(tmp_path / "out" / "1.png") as aligned:
        assert np.array_equal(np.array(aligned), pixels)
