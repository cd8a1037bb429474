"""Whose fault it is when the images of a training cannot be put into their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.dataset import FaceDataset
from fedface_learning.training_images import read_all_images


def test_a_folder_that_cannot_be_written_to_is_named(tiny_faces: FaceDataset, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=f"the images cannot be written to {tmp_path}/nowhere: No such file"):
        read_all_images(tiny_faces, tiny_faces.identities, folder=tmp_path / "nowhere")


def test_an_error_of_reading_is_not_the_folders(
    tiny_faces: FaceDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_memory(*_: object) -> None:
        raise BlockingIOError(11, "no process can be started")

    monkeypatch.setattr("fedface_learning.training_images.images_in_order", without_memory)
    with pytest.raises(BlockingIOError, match="no process"):
        read_all_images(tiny_faces, tiny_faces.identities, folder=tmp_path)
