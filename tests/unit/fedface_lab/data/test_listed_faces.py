"""A face's five points are read from the lists that people have, and joined to the photographs by path."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.data.face_points import Face
from fedface_lab.data.listed_faces import LandmarkCounts, ListedFaces
from fedface_learning.data.alignment import TEMPLATES

POINTS = ",".join(f"{number}" for point in TEMPLATES["112x96"].points for number in point)
FACE = Face(TEMPLATES["112x96"].points)
PHOTOGRAPH = Image.new("L", (96, 112))


def joined(tmp_path: Path, text: str, *photographs: str) -> tuple[LandmarkCounts, list[str]]:
    """The counts, and the photographs that have a face."""
    (tmp_path / "points.csv").write_text(text, encoding="utf-8")
    faces = ListedFaces(tmp_path / "points.csv")
    counts = faces.join(photographs)
    found = [path for path in photographs if faces.face(path) is not None]
    assert all(faces.face(path) == FACE for path in found)
    return counts, found


def test_points_are_read_by_path_and_a_heading_is_skipped(tmp_path: Path) -> None:
    counts, found = joined(tmp_path, f"path,x1,y1\n\nann/1.png,{POINTS}\n", "ann/1.png", "ann/2.png")
    assert found == ["ann/1.png"]
    assert counts == LandmarkCounts(
        lines=1, lines_without_photograph=0, photographs_without_line=1, first_lines_without_photograph=[]
    )


def test_vggface2s_list(tmp_path: Path) -> None:
    """A heading, quotes, names without suffix; and the lists of train and test one after another."""
    heading = "NAME_ID," + ",".join(f"P{point}{axis}" for point in range(1, 6) for axis in "XY")
    lines = [heading, f'"n000001/0001_01",{POINTS}', f'"n000001/0002_01",{POINTS}', heading, f'"n000009/0001_02",{POINTS}']
    counts, found = joined(tmp_path, "\r\n".join(lines), "n000001/0001_01.jpg", "n000009/0001_02.jpg", "n000009/7_01.jpg")
    assert found == ["n000001/0001_01.jpg", "n000009/0001_02.jpg"]
    assert (counts.lines, counts.lines_without_photograph, counts.photographs_without_line) == (3, 1, 1)
    assert counts.first_lines_without_photograph == ["n000001/0002_01"]


def test_celebas_list(tmp_path: Path) -> None:
    """A count, a heading without a name for the path, and blanks between the fields."""
    heading = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    lines = ["2", heading, "000001.jpg  " + POINTS.replace(",", "  "), "000002.jpg " + POINTS.replace(",", " ")]
    counts, found = joined(tmp_path, "\n".join(lines), "000001.jpg", "000002.jpg")
    assert found == ["000001.jpg", "000002.jpg"]
    assert counts.lines == 2


@pytest.mark.parametrize(
    ("written", "photograph"),
    [
        ("./a/b.jpg", "a/b.jpg"),
        (".\\a\\b.jpg", "a/b.jpg"),
        ("a\\b", "a/b.jpg"),
        ("a//b.jpg", "a/b.jpg"),
        ("a/b.jpg", "a/b.JPG"),
        ("a/b.JPEG", "a/b.jpeg"),
        (" a/b.jpg ", "a/b.jpg"),
        ('"a/b, c.jpg"', "a/b, c.jpg"),
        ("Dr. No/v1.2", "Dr. No/v1.2.png"),
        ("a/b", "a/b"),
        (unicodedata.normalize("NFC", "Zoë/é.jpg"), unicodedata.normalize("NFD", "Zoë/é.jpg")),
        (unicodedata.normalize("NFD", "Zoë/é"), unicodedata.normalize("NFC", "Zoë/é.jpg")),
    ],
)
def test_a_photograph_is_found_however_a_list_writes_its_path(tmp_path: Path, written: str, photograph: str) -> None:
    counts, found = joined(tmp_path, f"{written},{POINTS}\n", photograph, "other/photograph.jpg")
    assert found == [photograph]
    assert counts.lines_without_photograph == 0


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_any_separator(tmp_path: Path, separator: str) -> None:
    assert joined(tmp_path, f"\ufeffa/1.png,{POINTS}".replace(",", separator), "a/1.png")[1] == ["a/1.png"]


def test_a_whole_name_means_that_photograph_though_others_are_like_it(tmp_path: Path) -> None:
    photographs = ("a/1.png", "a/1.PNG", "a/1.jpg")
    assert joined(tmp_path, f"a/1.png,{POINTS}\na/1.jpg,{POINTS}\n", *photographs)[1] == ["a/1.png", "a/1.jpg"]


def test_a_list_that_joins_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as refused:
        joined(tmp_path, f"train/a/1.png,{POINTS}\ntrain/a/2.png,{POINTS}\n", "a/1.png")
    assert "none of the 2 lines of" in str(refused.value)
    assert "the first line has 'train/a/1.png', and the first photograph is 'a/1.png'" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no points"),
        ("path,x1,y1\n", "holds no points"),
        (f"ann/1.png,{POINTS}\nann/1.png,{POINTS}\n", "line 2: ann/1.png is listed twice, as in line 1"),
        (f"ann/1.png,{POINTS}\n./ann/1,{POINTS}\n", "line 2: ann/1.png is listed twice, as in line 1"),
        (f"ann/2,{POINTS}\n", "line 1: 'ann/2' may be one of several photographs"),
        ("ann/1.png,1,2,3\n", "line 1: a path and 10 numbers were expected (x and y of left eye, right eye"),
        (f"ann/1.png,{POINTS},7\n", "line 1: a path and 10 numbers were expected"),
        (f"a,{POINTS}\nb,{POINTS.replace('51.6963', 'nan')}\n", "line 2: a path and 10 numbers were expected"),
        (f"a,{POINTS}\nb\n", "line 2: a path and 10 numbers were expected"),
        (f"a,{POINTS}\npath,x,y\n", "line 2: a path and 10 numbers were expected"),
        (f"a,{POINTS}\n{'b' * 10_001},1\n", "line 2 is longer than 8,192 bytes"),
    ],
)
def test_points_that_are_wrong_are_named_by_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        joined(tmp_path, text, "ann/1.png", "ann/2.png", "ann/2.jpg")
    assert complaint in str(refused.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read .*none\.csv: No such file"):
        ListedFaces(tmp_path / "none.csv").join(["a.png"])
    (tmp_path / "points.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match=r"points\.csv, line 1 is not text in UTF-8"):
        ListedFaces(tmp_path / "points.csv").join(["a.png"])
