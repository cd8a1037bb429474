"""What a malformed pair list of LFW is told: the file, the line, and what was expected in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_learning.evaluation import open_protocol
from support.protocol_trees import lfw_pairs, lfw_tree, refused

LFW = lfw_pairs(2, 2, "2\t2").splitlines()
VIEW_1 = lfw_pairs(1, 2, "2").splitlines()
MATCHED = "a matched pair (name, number, number)"
MISMATCHED = "a mismatched pair (name, number, other name, number)"


def replaced(lines: list[str], number: int, line: str) -> str:
    return "\n".join([*lines[: number - 1], line, *lines[number:]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "FILE is empty; it should hold a header line and the pairs of LFW"),
        (
            "ten folds of 300\n",
            "FILE, line 1: expected the number of folds and the pairs of each kind in a fold, such as '10\\t300', "
            "not 'ten folds of 300'",
        ),
        ("ten\t300\n", "FILE, line 1: expected the number of folds, a whole number, not 'ten'"),
        ("10\t-3\n", "FILE, line 1: expected the pairs of each kind in a fold, a whole number, not '-3'"),
        ("1\t300\n", "FILE, line 1: expected at least two folds, not '1'"),
        ("10\t0\n", "FILE, line 1: expected at least one pair of each kind, not '10\\t0'"),
        ("\n".join(LFW[:6]), "FILE ends after 5 pairs, but its header promises 8: 2 × (2 matched + 2 mismatched)"),
        ("\n".join([*LFW, LFW[-1]]), "FILE, line 10: expected the end of the file after 8 pairs, not 'P02\\t2\\tP03\\t2'"),
        (replaced(LFW, 3, "P01\t1"), f"FILE, line 3: expected {MATCHED}, not 'P01\\t1'"),
        (replaced(LFW, 4, LFW[1]), f"FILE, line 4: expected {MISMATCHED}, not 'P00\\t1\\t2'"),
        (replaced(LFW, 6, "P01\t1\tP02\t2"), f"FILE, line 6: expected {MATCHED}, not 'P01\\t1\\tP02\\t2'"),
        (
            replaced(LFW, 2, f"P01\t{'9' * 5000}\t2"),
            "FILE, line 2: expected the number of an image, a whole number of at most 18 digits, "
            f"not '{'9' * 200}' and so on",
        ),
        (replaced(LFW, 2, "P01\tone\t2"), "FILE, line 2: expected the number of an image, a whole number, not 'one'"),
        (
            replaced(LFW, 5, "P01\t1\tP01\t2"),
            "FILE, line 5: expected two people, for this is a mismatched pair, not 'P01\\t1\\tP01\\t2'",
        ),
        (
            replaced(LFW, 2, "../P01\t1\t2"),
            "FILE, line 2: expected a person's name, which is the name of a folder, not '../P01'",
        ),
    ],
)
def test_lfw_pairs(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    assert refused("lfw", tmp_path / "pairs.txt", tmp_path) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\n".join(["2\t2", *VIEW_1[1:]]),
            "FILE, line 1: expected the number of pairs of each kind, such as '1100', not '2\\t2'",
        ),
        ("\n".join(VIEW_1[:3]), "FILE ends after 2 pairs, but its header promises 4: 1 × (2 matched + 2 mismatched)"),
    ],
)
def test_lfw_view_1(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairsDevTrain.txt").write_text("\n".join(VIEW_1))
    (tmp_path / "pairsDevTest.txt").write_text(text)
    assert refused("lfw-view-1", tmp_path, tmp_path, tmp_path / "pairsDevTest.txt") == message


def test_a_tree_of_lfw_is_read(tmp_path: Path) -> None:
    """The files that the malformed ones are made from are themselves accepted."""
    lfw_tree(tmp_path)
    (tmp_path / "pairs.txt").write_text("\n".join(LFW))
    opened = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path / "images")
    assert [str(face).removeprefix(f"{tmp_path}/") for face in opened.faces[:2]] == [
        "images/P00/P00_0001.png",
        "images/P00/P00_0002.png",
    ]


def test_a_name_longer_than_any_files_is_a_missing_image(tmp_path: Path) -> None:
    lfw_tree(tmp_path)
    (tmp_path / "pairs.txt").write_text("\n".join(LFW).replace("P00", "P" * 300))
    opened = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path / "images")
    assert opened.faces[0].missing


@pytest.mark.parametrize("separator", ["\t", " "])
def test_between_tabs_a_name_may_have_spaces(tmp_path: Path, separator: str) -> None:
    text = "\n".join(LFW).replace("\t", separator).replace("P0", "P 0" if separator == "\t" else "P_0") + "\t\n"
    (tmp_path / "pairs.txt").write_text(text)
    opened = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path)
    name = "P 00" if separator == "\t" else "P_00"
    assert str(opened.faces[0]) == f"{tmp_path}/{name}/{name}_0001.jpg"


def test_a_tree_as_aligners_and_macos_write_it_is_read(tmp_path: Path) -> None:
    """Suffixes in capitals, the number of the face after the name, and letters that are decomposed on the disk only."""
    lfw_tree(tmp_path)
    for file in sorted((tmp_path / "images").rglob("*.png")):
        if file.stem.endswith("1"):
            file.rename(file.with_suffix(".PNG"))
        elif file.stem.endswith("2"):
            file.rename(file.with_stem(f"{file.stem}_0"))
    decomposed = "".join(("P", "e\u0301"))
    for folder in sorted((tmp_path / "images").iterdir()):
        for file in sorted(folder.iterdir()):
            file.rename(file.with_name(file.name.replace("P", decomposed, 1)))
        folder.rename(folder.with_name(folder.name.replace("P", decomposed, 1)))
    (tmp_path / "pairs.txt").write_text("\n".join(LFW).replace("P", "P\u00e9"))
    opened = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path / "images")
    assert not any(face.missing for face in opened.faces)
