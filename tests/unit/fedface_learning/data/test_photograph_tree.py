"""The walker of trees: it follows links but not in circles, passes litter over and counts it, and is bounded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.photograph_tree import MOST_LEVELS, Kinds, in_natural_order, list_photographs


def write(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def photographs(root: Path) -> list[str]:
    return in_natural_order(list_photographs(root).photographs)


def test_image_files_at_any_depth_by_their_suffix_in_any_case(tmp_path: Path) -> None:
    write(tmp_path, "b/10.png", "b/9.JPG", "a/sub/1.HeIc", "top.webp", "b/2.tif")
    assert photographs(tmp_path) == ["a/sub/1.HeIc", "b/2.tif", "b/9.JPG", "b/10.png", "top.webp"]
    tree = list_photographs(tmp_path)
    assert tree.folders["b"] == ["2.tif", "9.JPG", "10.png"]
    assert tree.folders["a"] == []
    assert tree.passed_over == {}


def test_litter_and_other_files_are_counted_by_kind(tmp_path: Path) -> None:
    write(tmp_path, "ann/1.jpg", "ann/notes.TXT", "ann/a.txt", "README", ".DS_Store", "ann/._1.jpg", ".cache/1.jpg")
    write(tmp_path, "__MACOSX/ann/1.jpg", "@eaDir/1.jpg", "ann/@eaDir/SYNO.jpg", "lost+found/2.jpg", "ann/Thumbs.db")
    tree = list_photographs(tmp_path)
    assert list(tree.photographs) == ["ann/1.jpg"]
    assert tree.passed_over == {
        "hidden files and folders": 3,
        "@eaDir/": 2,
        ".txt": 2,
        "Thumbs.db": 1,
        "__MACOSX/": 1,
        "files without a suffix": 1,
        "lost+found/": 1,
    }
    assert list(tree.passed_over.values()) == [3, 2, 2, 1, 1, 1, 1]


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "1.jpg", "2.jpg")
    root = write(tmp_path / "root", "ann/1.jpg")
    (root / "bob").symlink_to(tmp_path / "elsewhere")
    (root / "ann" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "2.jpg")
    (root / "ann" / "up").symlink_to(root)
    (root / "ann" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (root / "ann" / "itself.jpg").symlink_to(root / "ann" / "itself.jpg")
    os.mkfifo(root / "ann" / "pipe.jpg")
    tree = list_photographs(root)
    assert in_natural_order(tree.photographs) == ["ann/1.jpg", "ann/2.jpg", "bob/1.jpg", "bob/2.jpg"]
    assert tree.passed_over == {"links to a folder that they are in": 1, "links to nothing": 2, "pipes and devices": 1}
    assert tree.links == [root / "bob"]


def test_two_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a" / "to-b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "to-a").symlink_to(tmp_path / "a")
    assert photographs(tmp_path) == ["a/1.jpg", "a/to-b/1.jpg", "b/1.jpg", "b/to-a/1.jpg"]


def test_depth_and_count_are_bounded(tmp_path: Path) -> None:
    write(tmp_path, "deep/" + "d/" * (MOST_LEVELS - 2) + "1.jpg")
    assert len(photographs(tmp_path)) == 1
    write(tmp_path, "deep/" + "d/" * (MOST_LEVELS - 1) + "1.jpg")
    with pytest.raises(InvalidInputError, match=r"lies more than 16 folders deep; give a folder further down"):
        list_photographs(tmp_path)
    write(tmp_path / "many", *(f"{number}.txt" for number in range(5)))
    assert list_photographs(tmp_path / "many", most_entries=5).passed_over == {".txt": 5}
    with pytest.raises(InvalidInputError, match=r"/many has more than 4 files and folders"):
        list_photographs(tmp_path / "many", most_entries=4)


def test_kinds_are_few_and_can_be_shown(tmp_path: Path) -> None:
    kinds = Kinds()
    for number in range(100):
        kinds.add_file(f"a.s{number}")
    kinds.add_file("a.evil\x1b[2J")
    kinds.add_file("a." + "x" * 50)
    bounded = kinds.bounded()
    assert len(bounded) <= 31
    assert sum(bounded.values()) == 102
    assert all(kind.isprintable() and len(kind) < 30 for kind in bounded)


def test_what_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "ann/1.jpg")
    scandir = os.scandir

    def refuses(path: Path) -> object:
        if path.name == "ann":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.raises(InvalidInputError, match=r"/ann cannot be listed: Permission denied"):
        list_photographs(tmp_path)


def test_a_name_that_is_not_in_utf_8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).touch()
    with pytest.raises(InvalidInputError, match="is not in UTF-8: rename the file or folder"):
        list_photographs(tmp_path)
