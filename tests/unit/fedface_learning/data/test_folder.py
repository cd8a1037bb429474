"""A user's own tree of images: which files are used, and why a tree is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import FaceDataset, ImageSize, open_dataset

SIZE = ImageSize(24, 20, 3)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two people: ``anna`` with 1.png, 2.png and 10.PNG, of brightness 10, 20 and 100, and ``bert`` with two images."""
    for person, brightnesses in {
        "anna": {"1.png": 10, "2.png": 20, "10.PNG": 100},
        "bert": {"a.jpg": 50, "b.JPEG": 60},
    }.items():
        (tmp_path / person).mkdir()
        for name, brightness in brightnesses.items():
            Image.new("L", (40, 48), brightness).save(tmp_path / person / name)
    return tmp_path


def opened(folder: Path, size: ImageSize = SIZE, **options: int) -> FaceDataset:
    return open_dataset(DataPlan(dataset="folder", folder=str(folder), **options), size, 2)


def test_images_in_natural_order(tree: Path) -> None:
    dataset = opened(tree)
    assert dataset.name == "folder"
    assert dataset.identities == ("anna", "bert")
    images = dataset.images("anna")
    assert images.dtype == torch.uint8
    assert images.shape == (3, 3, 24, 20)
    assert images[:, 0, 0, 0].tolist() == [10, 20, 100]


def test_other_and_hidden_files_are_left_alone(tree: Path) -> None:
    (tree / "anna" / "notes.txt").write_text("not an image")
    (tree / "anna" / "._1.png").write_bytes(b"a file manager's")
    (tree / ".thumbnails").mkdir()
    (tree / "readme.md").write_text("not a person")
    assert opened(tree).identities == ("anna", "bert")
    assert len(opened(tree).images("anna")) == 3


def test_images_per_identity_takes_the_first(tree: Path) -> None:
    assert opened(tree, images_per_identity=2).images("anna")[:, 0, 0, 0].tolist() == [10, 20]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"there is no folder .*/nowhere; it needs one folder per person"):
        opened(tmp_path / "nowhere")


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"holds no folders of images; it needs one folder per person, each with at least two"
    ):
        opened(tmp_path)


def test_identity_without_images(tree: Path) -> None:
    (tree / "carl").mkdir()
    with pytest.raises(InvalidInputError, match=r"/carl has no image, but a genuine pair needs two: add"):
        opened(tree)


def test_identity_with_one_image(tree: Path) -> None:
    (tree / "bert" / "a.jpg").unlink()
    assert opened(tree).identities == ("anna",)  # it makes no genuine pair
    for name in ("1.png", "2.png"):
        (tree / "anna" / name).unlink()
    with pytest.raises(InvalidInputError, match=r"holds no folder with two images; it needs one folder per person"):
        opened(tree)


def test_unknown_identity(tree: Path) -> None:
    with pytest.raises(InvalidInputError, match="'folder' has no identity 'zoe' among its 2"):
        opened(tree).images("zoe")


def test_a_tree_as_lfw_has_it(tmp_path: Path) -> None:
    for person, brightnesses in {"Aaron_Peirsol": (10, 20, 30), "Zydrunas_Ilgauskas": (40, 50)}.items():
        (tmp_path / person).mkdir()
        for number, brightness in enumerate(brightnesses, 1):
            Image.new("RGB", (250, 250), (brightness,) * 3).save(tmp_path / person / f"{person}_{number:04d}.jpg")
    dataset = opened(tmp_path, ImageSize(112, 96, 3))
    assert dataset.identities == ("Aaron_Peirsol", "Zydrunas_Ilgauskas")
    assert dataset.images("Aaron_Peirsol")[:, 0, 50, 50].tolist() == [10, 20, 30]
