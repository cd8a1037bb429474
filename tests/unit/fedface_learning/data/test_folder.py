"""A user's own tree of images: what is taken, and what each wrong file is told."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

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


@pytest.mark.parametrize(
    ("width", "height", "kept"), [(40, 20, (slice(None), slice(10, 30))), (20, 40, (slice(10, 30), slice(None)))]
)
def test_crops_the_centre(tree: Path, width: int, height: int, kept: tuple[slice, slice]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    Image.fromarray(pixels).save(tree / "anna" / "1.png")
    images = opened(tree, ImageSize(20, 20, 1)).images("anna")
    np.testing.assert_array_equal(images[0, 0].numpy(), pixels[kept])


def test_colour_stays_colour_and_grey_is_made_where_asked(tree: Path) -> None:
    Image.new("RGB", (40, 48), (200, 100, 50)).save(tree / "anna" / "1.png")
    assert opened(tree).images("anna")[0, :, 5, 5].tolist() == [200, 100, 50]
    assert opened(tree, ImageSize(24, 20, 1)).images("anna")[0, :, 5, 5].tolist() == [
        round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    ]


def test_exif_orientation_is_respected(tree: Path) -> None:
    pixels = np.zeros((20, 20), np.uint8)
    pixels[:, :10] = 255  # bright on the left; orientation 6 says: turn a quarter clockwise, so bright on top
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tree / "bert" / "a.jpg", exif=exif, quality=100)
    image = opened(tree, ImageSize(20, 20, 1)).images("bert")[0, 0]
    assert image[:8].min() > 200
    assert image[12:].max() < 55


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


def test_not_an_image(tree: Path) -> None:
    (tree / "anna" / "2.png").write_bytes(b"surely not a picture")
    with pytest.raises(InvalidInputError, match=r"anna/2\.png is not a JPEG, PNG or PGM image; replace it, or remove it"):
        opened(tree).images("anna")


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.pgm"])
def test_truncated_image(tree: Path, name: str) -> None:
    path = tree / "anna" / name
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 40), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        InvalidInputError, match=rf"anna/{name} cannot be read: .*; replace it with a whole image, or remove it"
    ):
        opened(tree).images("anna")


def test_empty_file(tree: Path) -> None:
    (tree / "anna" / "1.png").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"anna/1\.png is not a JPEG, PNG or PGM image"):
        opened(tree).images("anna")


@pytest.mark.parametrize("side", [9_100, 60_000])  # Pillow itself refuses only the second
def test_decompression_bomb(tree: Path, side: int) -> None:
    (tree / "anna" / "1.pgm").write_bytes(f"P5 {side} {side} 255\n".encode())
    with pytest.raises(
        InvalidInputError, match=r"anna/1\.pgm is too large to be decoded .*80,000,000 pixels are allowed: reduce it"
    ):
        opened(tree).images("anna")


def test_more_than_eight_bits(tree: Path) -> None:
    Image.fromarray(np.full((48, 40), 40_000, np.uint16)).save(tree / "anna" / "1.png")
    with pytest.raises(InvalidInputError, match=r"anna/1\.png has more than 8 bits a channel .*; save it with 8"):
        opened(tree).images("anna")


def test_unknown_identity(tree: Path) -> None:
    with pytest.raises(InvalidInputError, match="'folder' has no identity 'zoe' among its 2"):
        opened(tree).images("zoe")


def test_name_that_is_no_data_set() -> None:
    with pytest.raises(ValidationError, match="'orl', 'synthetic', 'folder' or 'recordio'"):
        DataPlan.model_validate({"dataset": "lfw"})


def test_a_tree_as_lfw_has_it(tmp_path: Path) -> None:
    for person, brightnesses in {"Aaron_Peirsol": (10, 20, 30), "Zydrunas_Ilgauskas": (40, 50)}.items():
        (tmp_path / person).mkdir()
        for number, brightness in enumerate(brightnesses, 1):
            Image.new("RGB", (250, 250), (brightness,) * 3).save(tmp_path / person / f"{person}_{number:04d}.jpg")
    dataset = opened(tmp_path, ImageSize(112, 96, 3))
    assert dataset.identities == ("Aaron_Peirsol", "Zydrunas_Ilgauskas")
    assert dataset.images("Aaron_Peirsol")[:, 0, 50, 50].tolist() == [10, 20, 30]


def test_a_name_that_is_no_text_is_named(tree: Path) -> None:
    (tree / os.fsdecode(b"\xff")).mkdir()
    with pytest.raises(InvalidInputError, match=r"the name b'\\xff' is not in UTF-8"):
        opened(tree)
