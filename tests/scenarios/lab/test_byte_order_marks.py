"""A text file may begin with a byte order mark, as some editors write it, whoever reads it."""

from __future__ import annotations

from pathlib import Path

from fedface_cli.plan_files import read_document, read_plan
from fedface_lab.data.face_points import Face
from fedface_lab.data.listed_faces import ListedFaces
from fedface_lab.study.study_file import read_study
from support.small_plan_file import SMALL_PLAN
from support.tiny_study import write_study


def marked(path: Path) -> Path:
    """A copy of the file with a byte order mark."""
    copy = path.with_name(f"marked-{path.name}")
    copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    return copy


def face_of(points: Path) -> Face | None:
    """The face that the list has for the photograph ``1.png``."""
    listed = ListedFaces(points)
    listed.join(["1.png"])
    return listed.face("1.png")


def test_a_byte_order_mark_changes_nothing(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(SMALL_PLAN)
    assert read_plan(marked(plan)) == read_plan(plan)
    settings = tmp_path / "settings.toml"
    settings.write_text("epochs = 1\n")
    assert read_document(marked(settings)) == read_document(settings)
    study = write_study(tmp_path)
    assert read_study(marked(study)) == read_study(study)
    points = tmp_path / "points.csv"
    points.write_text("1.png,1,2,3,4,5,6,7,8,9,10\n")
    assert face_of(points) is not None
    assert face_of(marked(points)) == face_of(points)
