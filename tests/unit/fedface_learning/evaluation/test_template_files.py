"""Templates while their files are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.faces import FaceFile
from fedface_learning.evaluation.template_files import Faces, Templates, refuse_overlap

PATH = Path("list.csv")


def test_a_face_has_one_index_however_often_it_is_named() -> None:
    faces = Faces()
    boxed = FaceFile(Path("a.jpg"), (0, 0, 10, 10))
    assert [faces.add(face) for face in (FaceFile(Path("a.jpg")), boxed, FaceFile(Path("a.jpg")))] == [0, 1, 0]


def test_templates_are_numbered_as_they_appear_and_keep_the_media_of_their_faces() -> None:
    templates = Templates({})
    for template, medium, face in ((70, 5, 0), (30, 5, 1), (70, 6, 2)):
        templates.add(template, medium, face)
    rows = templates.rows()
    assert (rows.face_M.tolist(), rows.medium_M.tolist(), rows.template_M.tolist()) == ([0, 1, 2], [5, 5, 6], [0, 1, 0])
    assert rows.index == {70: 0, 30: 1}
    assert templates.index_of(30, PATH, 1, PATH) == 1
    with pytest.raises(InvalidInputError, match=r"list\.csv, line 4: there is no template 31 in media\.txt"):
        templates.index_of(31, PATH, 4, Path("media.txt"))


def test_a_template_has_one_subject_and_splits_share_people() -> None:
    people: dict[int, int] = {}
    first = Templates(people)
    first.add(70, 1, 0)
    assert first.person_of_each() is None
    first.set_subject(70, 900, PATH, 2)
    first.set_subject(70, 900, PATH, 3)
    with pytest.raises(InvalidInputError, match=r"line 4: template 70 is of subject 901, but of another subject before"):
        first.set_subject(70, 901, PATH, 4)
    second = Templates(people)
    second.add(10, 1, 0)
    second.set_subject(10, 900, PATH, 2)
    person_T = second.person_of_each()
    assert person_T is not None
    assert person_T.tolist() == [0]


def test_the_first_templates_that_are_gallery_and_probe_are_named() -> None:
    refuse_overlap({1, 2}, {3}, PATH)
    with pytest.raises(
        InvalidInputError, match=r"^list\.csv: 4 templates are in the gallery and among the probes: 1, 2, 3 and 1 more$"
    ):
        refuse_overlap({1, 2, 3, 4}, {4, 3, 2, 1, 9}, PATH)
