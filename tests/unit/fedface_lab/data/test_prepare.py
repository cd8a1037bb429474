"""`fedface data prepare`: nothing is lost or overwritten, and the report names all photographs without a face."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedface_lab.data import prepare_photographs
from fedface_lab.data.prepare_journal import JOURNAL, REPORT
from fedface_learning.data.alignment import TEMPLATES
from fedface_learning.data.photographs import read_photograph
from fedface_stack.folder_lock import folder_locked
from support.command_line import Invoke

POINTS = ",".join(f"{number}" for point in TEMPLATES["112x96"].points for number in point)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two people, three photographs of the template's own size, in three formats, and other files."""
    random = np.random.default_rng(0)
    for path in ("ann/1.png", "ann/10.pgm", "bob/sub/2.jpg"):
        file = tmp_path / "raw" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (112, 96), np.uint8)).save(file)
    (tmp_path / "raw" / "notes.txt").write_text("not a photograph")
    (tmp_path / "raw" / ".hidden.png").write_text("a file manager's")
    return tmp_path / "raw"


@pytest.fixture
def points(tmp_path: Path) -> Path:
    file = tmp_path / "points.csv"
    file.write_text(
        "path,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n"
        + "".join(f"{path},{POINTS}\n" for path in ("ann/1.png", "ann/10.pgm", "bob/sub/2.jpg"))
    )
    return file


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def report(target: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((target / REPORT).read_text())
    return found


def test_every_photograph_keeps_its_path_and_format(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    before = files(source)
    target = tmp_path / "deep" / "aligned"
    code, out, err = fedface("data", "prepare", str(source), str(target), "--landmarks", str(points))
    assert code == 0, err
    assert "3 of 3 photographs are in" in out
    assert "passed over: 1 .txt" in out
    assert report(target)["passed_over"] == {".txt": 1, "hidden files and folders": 1}
    assert files(source) == before
    assert files(target).keys() == {"ann/1.png", "ann/10.pgm", "bob/sub/2.jpg", JOURNAL, REPORT}
    with Image.open(source / "ann/1.png") as raw, Image.open(target / "ann/1.png") as aligned:
        assert np.array_equal(np.array(raw), np.array(aligned))  # its points are where the template has them
    for path, kind in {"ann/1.png": "PNG", "ann/10.pgm": "PPM", "bob/sub/2.jpg": "JPEG"}.items():
        with Image.open(target / path) as aligned:
            assert (aligned.format, aligned.size) == (kind, (96, 112))


def test_the_larger_template(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    options = ("--template", "112x112", "--landmarks", str(points))
    assert fedface("data", "prepare", str(source), str(tmp_path / "out"), *options)[0] == 0
    with Image.open(source / "ann/1.png") as raw, Image.open(tmp_path / "out/ann/1.png") as aligned:
        assert aligned.size == (112, 112)
        # The same face, with 8 columns more on either side.
        np.testing.assert_allclose(np.array(aligned, int)[:, 8:104], np.array(raw, int), atol=1)


def test_what_has_no_face_or_cannot_be_read_is_reported(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    (source / "ann" / "2.jpg").write_bytes(b"surely not a picture")
    Image.new("L", (50, 50)).save(source / "ann" / "3.png")
    Image.new("L", (50, 50)).save(source / "ann" / "4.png")
    points.write_text(points.read_text() + f"ann/2.jpg,{POINTS}\nann/4.png,{','.join(['7'] * 10)}\n")
    target = tmp_path / "out"
    code, out, _ = fedface("data", "prepare", str(source), str(target), "--landmarks", str(points))
    assert code == 0
    assert "3 of 6 photographs are in" in out
    assert "no face found: ann/3.png" in out
    assert "cannot be used: ann/2.jpg: " in out
    assert "is not an image of a known kind" in out
    assert "cannot be used: ann/4.png: the five points of a face are all the same point" in out
    written = report(target)
    assert (written["photographs"], written["aligned"], written["no_face"]) == (6, 3, ["ann/3.png"])
    assert not (target / "ann/3.png").exists()


def test_points_are_joined_to_photographs_and_what_is_not_is_counted_both_ways(
    fedface: Invoke, source: Path, tmp_path: Path
) -> None:
    points = tmp_path / "points.csv"
    points.write_text(f'NAME_ID,P1X\n"ann/1",{POINTS}\n.\\ann\\10.pgm,{POINTS}\n"n000009/1",{POINTS}\n')
    target = tmp_path / "out"
    code, out, err = fedface("data", "prepare", str(source), str(target), "--landmarks", str(points))
    assert code == 0, err
    assert "2 of 3 photographs are in" in out
    assert [line.split()[-1] for line in out.splitlines() if "line" in line and "of points" in line] == ["1", "1"]
    assert "no such photograph: n000009/1" in out
    assert report(target)["landmarks"] == {
        "lines": 3,
        "lines_without_photograph": 1,
        "photographs_without_line": 1,
        "first_lines_without_photograph": ["n000009/1"],
    }


def test_points_of_other_photographs_are_an_error(fedface: Invoke, source: Path, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text(f"raw/ann/1.png,{POINTS}\n")
    code, _, err = fedface("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    assert code == 2
    assert "none of the 1 lines of" in " ".join(err.split())
    assert not (tmp_path / "out").exists()


def test_it_goes_on_where_it_stopped(
    fedface: Invoke, source: Path, points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    whole = ("data", "prepare", str(source), str(tmp_path / "whole"), "--landmarks", str(points))
    seen: list[str] = []

    def dies_at_the_second(path: Path) -> Image.Image:
        seen.append(path.name)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return read_photograph(path)

    monkeypatch.setattr(prepare_photographs, "read_photograph", dies_at_the_second)
    assert fedface(*command)[0] == 130
    journal = tmp_path / "out" / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"photograph": "bob/su')  # as if it had died while writing
    assert fedface(*command)[0] == 0
    assert seen == ["1.png", "10.pgm", "10.pgm", "2.jpg"]
    monkeypatch.undo()
    assert fedface(*whole)[0] == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert fedface(*command)[0] == 0  # once more: nothing to do
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    (tmp_path / "out" / "ann/10.pgm").unlink()
    assert fedface(*command)[0] == 0
    assert (tmp_path / "out" / "ann/10.pgm").is_file(), "the report says that it is there"


def test_what_was_not_aligned_is_tried_again(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    whole = (source / "ann/1.png").read_bytes()
    (source / "ann/1.png").write_bytes(whole[:100])
    given = points.read_text()
    points.write_text("".join(line for line in given.splitlines(keepends=True) if "bob" not in line))
    command = ("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    assert "1 of 3 photographs are in" in fedface(*command)[1]
    (source / "ann/1.png").write_bytes(whole)
    points.write_text(given)
    assert "3 of 3 photographs are in" in fedface(*command)[1]
    assert report(tmp_path / "out")["refused"] == []


def test_nothing_is_overwritten_unless_asked(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "ann" / "1.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"the only copy")
    command = ("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    code, _, err = fedface(*command)
    assert code == 2
    assert "ann/1.png exists, and holds another image; prepare into another folder, or give --overwrite to replace it" in err
    assert mine.read_bytes() == b"the only copy"
    assert fedface(*command, "--overwrite")[0] == 0
    assert mine.read_bytes() != b"the only copy"


def test_a_target_of_other_settings_is_refused(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    command = ("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    assert fedface(*command)[0] == 0
    code, _, err = fedface(*command, "--template", "112x112")
    assert code == 2
    assert "out was prepared with template 112x96, not 112x112; give these options to go on" in err
    assert fedface(*command, "--template", "112x112", "--overwrite")[0] == 0
    with Image.open(tmp_path / "out/ann/1.png") as aligned:
        assert aligned.size == (112, 112)


def test_a_target_that_cannot_be_written_is_named(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    code, _, err = fedface("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    assert code == 2
    assert f"cannot write {tmp_path / 'out'}: File exists" in err


def test_a_damaged_journal_is_refused(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    command = ("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    assert fedface(*command)[0] == 0
    journal = tmp_path / "out" / JOURNAL
    journal.write_text(journal.read_text().replace('"aligned"', '"lost"', 1))
    code, _, err = fedface(*command)
    assert code == 2
    assert "prepare.jsonl, line 2 is damaged; start again with --overwrite" in err


@pytest.mark.parametrize(
    ("source_path", "target_path", "complaint"),
    [
        ("nowhere", "out", "there is no folder"),
        ("raw", "raw", "lie within each other; prepare into a folder of its own"),
        ("raw", "raw/aligned", "lie within each other"),
        ("raw/ann", "raw", "lie within each other"),
        ("empty", "out", "holds no photographs, such as .jpg, .png, .webp or .heic files"),
    ],
)
def test_folders_that_do_not_do(
    fedface: Invoke, source: Path, points: Path, tmp_path: Path, source_path: str, target_path: str, complaint: str
) -> None:
    (tmp_path / "empty").mkdir()
    before = files(source)
    code, _, err = fedface(
        "data", "prepare", str(tmp_path / source_path), str(tmp_path / target_path), "--landmarks", str(points)
    )
    assert code == 2
    assert complaint in err
    assert files(source) == before


def test_wrong_points_are_refused_before_the_target_is_made(fedface: Invoke, source: Path, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("")
    code, _, err = fedface("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    assert code == 2
    assert "points.csv holds no points" in err
    assert not (tmp_path / "out").exists()


def test_a_second_preparation_of_a_folder_is_refused(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    command = ("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    with folder_locked(tmp_path / "out" / JOURNAL, "the first"):
        code, _, err = fedface(*command)
    assert code == 2
    assert f"another `fedface data prepare` is at work in {tmp_path / 'out'}" in " ".join(err.split())
    assert fedface(*command)[0] == 0


@pytest.mark.parametrize("far", ["5,5,6,5,1e9,6,5,7,6,7", "1e200,0,-1e200,0,0,1,0,2,0,3", "97,5,100,5,98,8,97,10,99,10"])
def test_points_beside_the_photograph_are_refused(
    fedface: Invoke, source: Path, points: Path, tmp_path: Path, far: str
) -> None:
    points.write_text(f"ann/1.png,{far}\n")
    code, out, err = fedface("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    assert code == 0, err
    assert "cannot be used: ann/1.png: the five points do not lie as those of a face" in out


def test_a_name_that_is_no_text_is_named(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    (source / "ann" / os.fsdecode(b"\xff2.png")).write_bytes(b"")
    code, _, err = fedface("data", "prepare", str(source), str(tmp_path / "out"), "--landmarks", str(points))
    assert code == 2
    assert r"the name b'\xff2.png' is not in UTF-8: rename the file or folder" in err


def test_in_json_the_counts_are_those_of_the_report(fedface: Invoke, source: Path, points: Path, tmp_path: Path) -> None:
    (source / "ann" / "1.png").write_bytes(b"no image")
    options = (str(source), str(tmp_path / "aligned"), "--landmarks", str(points), "--json")
    code, out, err = fedface("data", "prepare", *options)
    assert code == 0, err
    told = json.loads(out)
    assert told["report"] == str(tmp_path / "aligned" / REPORT)
    assert (told["photographs"], told["aligned"], told["refused"], told["no_face"]) == (3, 2, 1, 0)
    stored = report(tmp_path / "aligned")
    assert (told["passed_over"], told["landmarks"]) == (stored["passed_over"], stored["landmarks"])
