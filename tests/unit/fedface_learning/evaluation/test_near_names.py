"""What a person may have meant by a path that does not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_learning.evaluation.near_names import near_file


@pytest.mark.parametrize(
    ("on_disk", "missing", "near"),
    [
        ("Aaron_Eckhart/Aaron_Eckhart_0001.jpg", "Aaron_Eckhardt/Aaron_Eckhardt_0001.jpg", "Aaron_Eckhart"),
        ("aaron_eckhart/aaron_eckhart_0001.jpg", "Aaron_Eckhart/Aaron_Eckhart_0001.jpg", "aaron_eckhart"),
        ("Aaron_Eckhart/Aaron_Eckhart_1.jpg", "Aaron_Eckhart/Aaron_Eckhart_0001.jpg", "Aaron_Eckhart/Aaron_Eckhart_1.jpg"),
        (
            "Aaron_Eckhart/Aaron_Eckhart_0001.heic",
            "Aaron_Eckhart/Aaron_Eckhart_0001.jpg",
            "Aaron_Eckhart/Aaron_Eckhart_0001.heic",
        ),
        ("Aaron_Eckhart/Aaron_Eckhart_0002.jpg", "Aaron_Eckhart/Aaron_Eckhart_0001.jpg", None),
        ("lfw-deepfunneled/A/A_0001.jpg", "A/A_0001.jpg", "lfw-deepfunneled/A"),
        ("Zoe/Zoe_0001.jpg", "Aaron_Eckhart/Aaron_Eckhart_0001.jpg", None),
    ],
)
def test_near_names(tmp_path: Path, on_disk: str, missing: str, near: str | None) -> None:
    (tmp_path / on_disk).parent.mkdir(parents=True)
    (tmp_path / on_disk).touch()
    assert near_file(tmp_path / missing) == (None if near is None else tmp_path / near)
