"""A user's own tree of images: which files are used, and why a tree is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import ImageSize, open_dataset
from fedface_learning.data.identity_list import identity_list
from fedface_learning.data.photographs import PhotographDataset

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


def opened(folder: Path, size: ImageSize = SIZE, **options: Any) -> PhotographDataset:
    dataset = open_dataset(DataPlan(dataset="folder", folder=str(folder), **options), size, 2)
    assert isinstance(dataset, PhotographDataset)
    return dataset


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


def test_a_person_without_images_is_left_out_and_counted(tree: Path) -> None:
    (tree / "carl").mkdir()
    (tree / "dora").mkdir()
    Image.new("L", (40, 48)).save(tree / "dora" / "1.png")
    assert opened(tree).identities == ("anna", "bert")
    assert opened(tree).passed_over == {"folders without a photograph": 1, "people with one photograph": 1}


def test_litter_is_no_person(tree: Path) -> None:
    for folder in ("__MACOSX", "@eaDir", "lost+found", "anna/@eaDir"):
        (tree / folder).mkdir()
        for name in ("1.png", "2.png"):
            Image.new("L", (40, 48)).save(tree / folder / name)
    Image.new("L", (40, 48)).save(tree / "cover.png")
    (tree / "anna" / "more").mkdir()
    Image.new("L", (40, 48)).save(tree / "anna" / "more" / "1.png")
    dataset = opened(tree)
    assert dataset.identities == ("anna", "bert")
    assert len(dataset.images("anna")) == 3
    assert dataset.passed_over == {
        "@eaDir/": 2,
        "__MACOSX/": 1,
        "lost+found/": 1,
        "photographs in folders within a person's": 1,
        "photographs in no person's folder": 1,
    }


@pytest.mark.parametrize("inner", ["train", "images/all"])
def test_people_one_level_too_deep_are_found_and_named(tree: Path, tmp_path: Path, inner: str) -> None:
    root = tmp_path.with_name(f"{tmp_path.name}-outer")
    (root / inner).parent.mkdir(parents=True)
    shutil.copytree(tree, root / inner)
    (root / "val" / "anna").mkdir(parents=True)
    with pytest.raises(InvalidInputError) as refused:
        opened(root)
    assert str(refused.value).endswith(f". Did you mean the folder {root / inner}?")


def test_linked_people_are_people(tree: Path, tmp_path: Path) -> None:
    root = tmp_path.with_name(f"{tmp_path.name}-links")
    root.mkdir()
    for person in ("anna", "bert"):
        (root / person).symlink_to(tree / person)
    assert opened(root).identities == ("anna", "bert")
    assert len(opened(root).images("anna")) == 3


@pytest.mark.parametrize("kind", ["webp", "bmp", "tif", "jfif", "heic", "gif", "avif", "ppm"])
def test_a_person_of_any_kind_of_image(tree: Path, kind: str) -> None:
    pillow = {"tif": "TIFF", "jfif": "JPEG", "heic": "HEIF", "ppm": "PPM"}.get(kind, kind.upper())
    (tree / "carl").mkdir()
    for number in (1, 2):
        Image.new("RGB", (40, 48), (number * 40,) * 3).save(tree / "carl" / f"{number}.{kind}", format=pillow)
    assert opened(tree).identities == ("anna", "bert", "carl")
    brightness_N = opened(tree).images("carl")[:, 0, 12, 10].tolist()
    assert [round(brightness / 40) for brightness in brightness_N] == [1, 2]


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Six photographs as CelebA has them, and the list of their people: three of 7, two of 12, one of 9."""
    (tmp_path / "celeba").mkdir()
    for number in range(1, 7):
        Image.new("L", (40, 48), number * 20).save(tmp_path / "celeba" / f"{number:06d}.png")
    people = {1: 12, 2: 7, 3: 9, 4: 7, 5: 12, 6: 7}
    lines = "".join(f"{number:06d}.png {person}\n" for number, person in people.items())
    (tmp_path / "identity_CelebA.txt").write_text(lines)
    return tmp_path / "celeba"


def test_labels_say_whose_the_photographs_of_a_flat_folder_are(flat: Path) -> None:
    dataset = opened(flat, labels=str(flat.parent / "identity_CelebA.txt"))
    assert dataset.identities == ("7", "12")
    assert dataset.images("7")[:, 0, 0, 0].tolist() == [40, 80, 120]
    assert dataset.passed_over == {"people with one photograph": 1}
    assert len(opened(flat, labels=str(flat.parent / "identity_CelebA.txt"), images_per_identity=2).images("7")) == 2


def test_labels_that_do_not_join_are_counted_both_ways(flat: Path) -> None:
    labels = flat.parent / "identity_CelebA.txt"
    labels.write_text("000001.png 12\n000002.png 7\n000004.png 7\n999998.png 7\n999999.png 7\n")
    assert opened(flat, labels=str(labels)).passed_over == {
        "photographs that the labels do not name": 3,
        "labels of photographs that are not there": 2,
        "people with one photograph": 1,
    }


def test_labels_of_nothing_or_of_no_pair_are_refused(flat: Path) -> None:
    labels = flat.parent / "identity_CelebA.txt"
    labels.write_text("img/000001.png 12\n")
    with pytest.raises(
        InvalidInputError, match=r"no photograph is in the list of labels .*img/000001\.png, and the folder has"
    ):
        opened(flat, labels=str(labels))
    labels.write_text("000001.png 12\n000002.png 13\n")
    with pytest.raises(InvalidInputError, match="gives nobody two photographs"):
        opened(flat, labels=str(labels))
    with pytest.raises(InvalidInputError, match=r"cannot read the labels in .*none"):
        opened(flat, labels=str(flat / "none"))
    with pytest.raises(InvalidInputError, match=r"photographs in the folder itself: .* can be given as data\.labels"):
        opened(flat)


def test_the_identity_list_follows_the_labels(flat: Path) -> None:
    labels = flat.parent / "identity_CelebA.txt"
    before = identity_list(opened(flat, labels=str(labels)).identities)
    labels.write_text(labels.read_text().replace("000003.png 9\n", "000003.png 12\n"))
    assert identity_list(opened(flat, labels=str(labels)).identities) == before, "the same people"
    labels.write_text(labels.read_text().replace(" 12\n", " 13\n"))
    assert identity_list(opened(flat, labels=str(labels)).identities) != before


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
