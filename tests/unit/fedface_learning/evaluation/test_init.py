"""Opening a protocol by its name."""

from __future__ import annotations

from pathlib import Path

from support.protocol_trees import refused


def test_a_folder_of_images_is_asked_for_unless_the_set_holds_them(tmp_path: Path) -> None:
    assert refused("lfw", tmp_path, None) == "protocol 'lfw' needs the folder of its images"
    assert refused("ijb-a", tmp_path, tmp_path / "none", tmp_path / "none") == "there is no folder of images FILE"
    expected = "a .bin set holds its images: leave out the folder of images"
    assert refused("insightface-bin", tmp_path / "lfw.bin", tmp_path) == expected
