"""Image files are found under the names that people's disks have for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from unicodedata import normalize

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.named_images import ImageFiles

COMPOSED = normalize("NFC", "José_Ángel")
DECOMPOSED = normalize("NFD", COMPOSED)


def write(folder: Path, *names: str) -> ImageFiles:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return ImageFiles(folder)


@pytest.mark.parametrize(
    ("on_disk", "asked", "found"),
    [
        (["A/A_0001.jpg"], "A/A_0001", "A/A_0001.jpg"),
        (["A/A_0001.JPG"], "A/A_0001", "A/A_0001.JPG"),
        (["A/A_0001.Png", "A/A_0001.jpeg"], "A/A_0001", "A/A_0001.Png"),
        (["A/A_0001_0.png"], "A/A_0001", "A/A_0001_0.png"),
        (["A/A_0001.jpg", "A/A_0001_0.png", "A/A_0001_1.png"], "A/A_0001", "A/A_0001.jpg"),
        (["1.png"], "1.jpg", "1.png"),
        (["1.JPG"], "1.jpg", "1.JPG"),
        (["1_0.jpg"], "1.jpg", "1_0.jpg"),
        (["1"], "1", "1"),
        (["a/b.jpg"], "./a//b.jpg", "a/b.jpg"),
        (["A. B. Smith/A. B. Smith_0001.jpg"], "A. B. Smith/A. B. Smith_0001", "A. B. Smith/A. B. Smith_0001.jpg"),
        ([f"{DECOMPOSED}/{DECOMPOSED}_0001.jpg"], f"{COMPOSED}/{COMPOSED}_0001", f"{DECOMPOSED}/{DECOMPOSED}_0001.jpg"),
        ([f"{COMPOSED}/{COMPOSED}_0001.jpg"], f"{DECOMPOSED}/{DECOMPOSED}_0001", f"{COMPOSED}/{COMPOSED}_0001.jpg"),
        ([f"{COMPOSED}.jpg", f"{DECOMPOSED}.jpg"], f"{DECOMPOSED}.jpg", f"{COMPOSED}.jpg"),
    ],
)
def test_a_file_is_found(tmp_path: Path, on_disk: list[str], asked: str, found: str) -> None:
    face = write(tmp_path, *on_disk).find(asked)
    assert (face.path, face.missing) == (tmp_path / found, False)


@pytest.mark.parametrize(
    ("on_disk", "asked", "path"),
    [
        (["A/A_0001.jpg"], "A/A_0002", "A/A_0002.jpg"),
        (["A/A_00011.jpg", "A/A_0001.txt", "A/A_0001_b.jpg"], "A/A_0001", "A/A_0001.jpg"),
        (["A.jpg"], "A.jpg/A_0001", "A.jpg/A_0001.jpg"),
        (["A/A_0001.jpg"], "../A/A_0001", "../A/A_0001.jpg"),
        ([], "A" * 300, f"{'A' * 300}.jpg"),
        ([], "a\0b.jpg", "a\0b.jpg"),
        ([], "", ".jpg"),
    ],
)
def test_a_file_is_missing(tmp_path: Path, on_disk: list[str], asked: str, path: str) -> None:
    face = write(tmp_path, *on_disk).find(asked)
    assert (face.path, face.missing) == (tmp_path / path, True)


def test_the_face_of_a_box_is_in_no_file_of_an_aligner(tmp_path: Path) -> None:
    files = write(tmp_path, "1_0.jpg", "2.JPG")
    assert files.find("1.jpg", (0, 0, 9, 9)).missing
    assert files.find("2.jpg", (0, 0, 9, 9)).path == tmp_path / "2.JPG"


def test_several_faces_of_one_image_are_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as error:
        write(tmp_path, "A/A_0001_0.png", "A/A_0001_1.png").find("A/A_0001")
    assert str(error.value) == (
        f"{tmp_path}/A has 2 faces for A_0001: A_0001_0.png, A_0001_1.png; the protocol means one, so keep that one"
    )


def test_each_folder_is_listed_once_and_no_file_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(tmp_path, *(f"{person}/{number}.jpg" for person in "ab" for number in range(5)))
    listed: list[Path] = []
    list_folder = os.scandir

    def listing(folder: Path) -> Iterator[os.DirEntry[str]]:
        listed.append(folder)
        return list_folder(folder)

    def stat(*_: object, **__: object) -> None:
        raise AssertionError("a file was looked at")

    monkeypatch.setattr(os, "scandir", listing)
    monkeypatch.setattr(Path, "stat", stat)
    assert not any(files.find(f"{person}/{number}.jpg").missing for number in range(5) for person in "ab")
    assert files.find("c/1.jpg").missing
    assert listed == [tmp_path, tmp_path / "a", tmp_path / "b"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(tmp_path, "a/1.jpg")

    def denied(_: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(InvalidInputError, match=rf"^cannot list {tmp_path}: Permission denied$"):
        files.find("a/1.jpg")
