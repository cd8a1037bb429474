"""Which photographs are prepared, in which order, and how each format is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.data import prepare_photographs as preparation
from fedface_lab.data.face_points import Face
from fedface_lab.data.prepare_journal import JOURNAL, PreparationSettings
from fedface_lab.data.prepare_photographs import photographs_in, prepare_photographs
from fedface_learning.data.alignment import TEMPLATES
from support.phone_photographs import phone_photograph

SETTINGS = PreparationSettings(source="raw", template="112x96", points="dlib")


def test_a_source_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="there is no folder"):
        photographs_in(tmp_path / "none")
    (tmp_path / "a.txt").touch()
    with pytest.raises(InvalidInputError, match=r"holds no photographs, such as .*; it has 1 \.txt"):
        photographs_in(tmp_path)


def test_linked_people_are_aligned_and_links_into_the_target_refused(tmp_path: Path) -> None:
    """The walk of a tree did not follow links, so linked people were dropped."""
    (tmp_path / "all" / "ann").mkdir(parents=True)
    Image.new("L", (96, 112)).save(tmp_path / "all" / "ann" / "1.png")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "ann").symlink_to(tmp_path / "all" / "ann")
    face = Face(TEMPLATES["112x96"].points)
    report = prepare_photographs(tmp_path / "raw", tmp_path / "out", SETTINGS, lambda path, photograph: face)
    assert (report.aligned, (tmp_path / "out" / "ann" / "1.png").is_file()) == (1, True)
    (tmp_path / "raw" / "out").symlink_to(tmp_path / "out")
    with pytest.raises(InvalidInputError, match=r"raw/out leads to .*; remove the link"):
        prepare_photographs(tmp_path / "raw", tmp_path / "out", SETTINGS, lambda path, photograph: face)


def test_every_kind_is_aligned_and_others_than_jpeg_png_and_pgm_become_png(tmp_path: Path) -> None:
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (112, 96, 3), np.uint8))
    (tmp_path / "raw").mkdir()
    for name, kind in {"1.heic": "HEIF", "1.JPG": "JPEG", "1.png": "PNG", "2.webp": "WEBP", "3.tif": "TIFF"}.items():
        pixels.save(tmp_path / "raw" / name, format=kind)
    (tmp_path / "raw" / "4.jpg").write_bytes(phone_photograph(pixels.rotate(90, expand=True), orientation=6))
    face = Face(TEMPLATES["112x96"].points)
    report = prepare_photographs(tmp_path / "raw", tmp_path / "out", SETTINGS, lambda path, photograph: face)
    assert (report.aligned, report.refused) == (6, [])
    assert report.renamed == {"1.heic": "1.heic.png", "2.webp": "2.png", "3.tif": "3.png"}
    written = {file.name for file in (tmp_path / "out").iterdir() if not file.name.startswith("prepare")}
    assert written == {"1.heic.png", "1.JPG", "1.png", "2.png", "3.png", "4.jpg"}
    assert np.array_equal(np.array(Image.open(tmp_path / "out" / "3.png")), np.array(pixels))
    again = prepare_photographs(tmp_path / "raw", tmp_path / "out", SETTINGS, lambda path, photograph: None)
    assert again == report, "nothing is aligned twice"


def test_several_faces_are_reported_and_colours_kept(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (112, 96, 3), np.uint8)
    (tmp_path / "raw").mkdir()
    Image.fromarray(pixels).save(tmp_path / "raw" / "1.png")
    face = Face(TEMPLATES["112x96"].points, faces=3, box=(1, 2, 30, 40))
    progress: list[tuple[int, int]] = []
    report = prepare_photographs(
        tmp_path / "raw",
        tmp_path / "out",
        SETTINGS,
        lambda path, photograph: face,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert [(outcome.photograph, outcome.faces, outcome.taken) for outcome in report.several_faces] == [
        ("1.png", 3, (1, 2, 30, 40))
    ]
    assert progress == [(1, 1)]
    with Image.open(tmp_path / "out" / "1.png") as aligned:
        assert np.array_equal(np.array(aligned), pixels)


def face_of_the_template(_path: str, _photograph: Image.Image) -> Face:
    return Face(TEMPLATES["112x96"].points)


@pytest.mark.slow
def test_several_processes_align_what_one_aligns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "worth_starting", lambda workers, _items: workers)
    draws = np.random.default_rng(0)
    (tmp_path / "raw").mkdir()
    for number in range(6):
        Image.fromarray(draws.integers(0, 256, (112, 96, 3), np.uint8)).save(tmp_path / "raw" / f"{number}.jpg")
    (tmp_path / "raw" / "3.jpg").write_bytes(b"no photograph")
    written = []
    for workers in (1, 2):
        target = tmp_path / f"by {workers}"
        report = prepare_photographs(tmp_path / "raw", target, SETTINGS, face_of_the_template, workers=workers)
        assert (report.aligned, [one.photograph for one in report.refused]) == (5, ["3.jpg"])
        written.append({file.name: file.read_bytes() for file in target.iterdir()})
    assert written[0] == written[1], "images, journal and report"
    (tmp_path / "by 2" / "4.jpg").write_bytes(b"another image")
    (tmp_path / "by 2" / JOURNAL).unlink()
    with pytest.raises(InvalidInputError, match=r"4\.jpg exists, and holds another image"):
        prepare_photographs(tmp_path / "raw", tmp_path / "by 2", SETTINGS, face_of_the_template, workers=2)
