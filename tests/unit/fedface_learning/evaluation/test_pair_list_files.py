"""Lists of pairs in the layouts that people have, and what a malformed one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.pair_list_files import Pair, read_pair_list

GENUINE = Pair("A/A_0001", "A/A_0004", genuine=True)
IMPOSTOR = Pair("A/A_0001", "B B/B B_0002", genuine=False)
PATHS = [Pair("a/1.jpg", "a/2.jpg", genuine=True), Pair("a/1.jpg", "b c/1.jpg", genuine=False)]
NO_SPACE = [PATHS[0], Pair("a/1.jpg", "b/1.jpg", genuine=False)]


def written(tmp_path: Path, text: str, name: str = "list.txt") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a/1.jpg a/2.jpg 1\na/1.jpg b/1.jpg 0\n", NO_SPACE),
        ("\ufeffa/1.jpg\ta/2.jpg\t1\r\n\r\na/1.jpg\tb c/1.jpg\t0\r\n", PATHS),
        ("a/1.jpg,a/2.jpg,1\na/1.jpg, b c/1.jpg,0", PATHS),
        ('img1,img2,is_same\n"a/1.jpg","a/2.jpg","1"\na/1.jpg,b c/1.jpg,0\n', PATHS),
        ("first second label\n./a/1.jpg a\\2.jpg 1\na/1.jpg b/1.jpg 0\n", [Pair("./a/1.jpg", "a/2.jpg", True), NO_SPACE[1]]),
        ("name,imagenum1,imagenum2,\nA,1,4,\nA,1,B B,2\n", [GENUINE, IMPOSTOR]),
        ("name,imagenum1,imagenum2\nA,1,4\n", [GENUINE]),
        ("name1,imagenum1,name2,imagenum2\nA,1,B B,2\n", [IMPOSTOR]),
        (
            "A_1.jpg 1\nA_2.jpg 1\nA_1.jpg 0\nB_1.jpg 0\n",
            [Pair("A_1.jpg", "A_2.jpg", True), Pair("A_1.jpg", "B_1.jpg", False)],
        ),
        (
            "A_1.jpg 1\nA_2.jpg 1\nB_1.jpg 2\nB_2.jpg 2\nA_1.jpg 0\nB_1.jpg 0\n",
            [Pair("A_1.jpg", "A_2.jpg", True, 1), Pair("B_1.jpg", "B_2.jpg", True, 2), Pair("A_1.jpg", "B_1.jpg", False)],
        ),
    ],
)
def test_layouts(tmp_path: Path, text: str, pairs: list[Pair]) -> None:
    assert list(read_pair_list(written(tmp_path, text)).pairs) == pairs


@pytest.mark.parametrize(("asked", "order"), [("matchpairsDevTest.csv", 1), ("mismatchpairsDevTest.csv", -1)])
def test_the_two_files_of_kaggle_are_one_list(tmp_path: Path, asked: str, order: int) -> None:
    written(tmp_path, "name,imagenum1,imagenum2\nA,1,4\n", "matchpairsDevTest.csv")
    written(tmp_path, "name1,imagenum1,name2,imagenum2\nA,1,B B,2\n", "mismatchpairsDevTest.csv")
    read = read_pair_list(tmp_path / asked)
    assert list(read.pairs) == [GENUINE, IMPOSTOR][::order]
    other = {"matchpairsDevTest.csv", "mismatchpairsDevTest.csv"} - {asked}
    assert read.layout == f"LFW's CSV, with {other.pop()} beside it"


def test_one_of_the_two_files_alone_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "name,imagenum1,imagenum2\nA,1,4\n", "matchpairsDevTest.csv")
    with pytest.raises(InvalidInputError) as error:
        read_pair_list(path)
    assert str(error.value) == (
        f"{path} has genuine pairs only; the others should be beside it, in mismatchpairsDevTest.csv"
    )


LAYOUTS = (
    "'path path 1' or 'path path 0', a header with 'name,imagenum1,imagenum2' as LFW's CSV files have, or 'image label' as "
    "CALFW's and CPLFW's lists have"
)
NUMBERS = f"{LAYOUTS}; numbers alone are LFW's own lists (lfw) or IJB's (ijb-b, ijb-c)"
PATHS_AND_LABEL = "two paths and 1 (same person) or 0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"FILE is empty; it should hold pairs: {LAYOUTS}"),
        ("10\t300\n", f"FILE, line 1: expected {NUMBERS}, not '10\\t300'"),
        ("1 2 1\n", f"FILE, line 1: expected {NUMBERS}, not '1 2 1'"),
        ("1,12\n", f"FILE, line 1: expected {NUMBERS}, not '1,12'"),
        ("A 1 2\n", f"FILE, line 1: expected {LAYOUTS}; these look like LFW's pairs without their header, not 'A 1 2'"),
        (
            "name,images\nA,1\n",
            "FILE, line 1: expected pairs; this is a list of people: take pairs.csv, or matchpairsDevTest.csv, "
            "not 'name,images'",
        ),
        ("1 Protocol/Images/001.jpg\n", f"FILE, line 1: expected {LAYOUTS}, not '1 Protocol/Images/001.jpg'"),
        ("a.jpg\n", f"FILE, line 1: expected {LAYOUTS}, not 'a.jpg'"),
        (f"{'a' * 8_000}\n", f"FILE, line 1: expected {LAYOUTS}, not '{'a' * 200}' and so on"),
        ("a.jpg b.jpg yes\n", f"FILE, line 1: expected {PATHS_AND_LABEL}, not 'a.jpg b.jpg yes'"),
        ("a.jpg b.jpg 1\na.jpg b.jpg 2\n", f"FILE, line 2: expected {PATHS_AND_LABEL}, not 'a.jpg b.jpg 2'"),
        ("a.jpg b.jpg 1\n\na.jpg 1\n", f"FILE, line 3: expected {PATHS_AND_LABEL}, not 'a.jpg 1'"),
        (
            "a.jpg b.jpg 1\n/a.jpg b.jpg 1\n",
            "FILE, line 2: expected the path of an image below the folder of images, not '/a.jpg'",
        ),
        ("C:\\a.jpg b.jpg 1\n", "FILE, line 1: expected the path of an image below the folder of images, not 'C:\\\\a.jpg'"),
        ("../a.jpg b.jpg 1\n", "FILE, line 1: expected the path of an image below the folder of images, not '../a.jpg'"),
        (
            "name,imagenum1,imagenum2\nA,1\n",
            "FILE, line 2: expected a mismatched pair (name, number, other name, number), not 'A,1'",
        ),
        ("name,imagenum1,imagenum2\nA,1,two\n", "FILE, line 2: expected the number of an image, a whole number, not 'two'"),
        ("name,imagenum1,imagenum2\n", "FILE has a header but no pairs"),
        ("a b c\n", "FILE has a header but no pairs"),
        (
            "a.jpg 7\nb.jpg 8\n",
            "FILE, line 2: expected label 7 as in the line before, for two lines are a pair "
            "(a list of identities is no list of pairs), not 'b.jpg 8'",
        ),
        ("a.jpg 1\nb.jpg 1\nc.jpg 0\n", "FILE has 3 images; two lines are a pair, so one line is missing"),
        ("a.jpg 1\nb.jpg\n", "FILE, line 2: expected an image and its label, 0 for impostors, not 'b.jpg'"),
        ("a.jpg 1\nb.jpg -1\n", "FILE, line 2: expected a label, a whole number, not '-1'"),
        (
            "a.jpg 1\nb.jpg 1\na.jpg 3\nb.jpg 3\n",
            "FILE: the labels of genuine pairs should be 1, or fold numbers without a gap, not [1, 3]",
        ),
    ],
)
def test_what_a_malformed_list_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidInputError) as error:
        read_pair_list(path)
    assert str(error.value).replace(str(path), "FILE") == message
