"""`fedface data check` lists what is damaged, and the commands that read a data set leave the listed images out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import Invoke
from support.recordio import grey_png, packed, with_identities, write_records


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A packed set of three people, of whose images two cannot be used."""
    records = with_identities([[grey_png(shade), grey_png(shade + 9), grey_png(shade + 18)] for shade in (10, 60, 110)])
    records[2] = records[2][:70]
    records[9] = packed(2.0)
    return write_records(tmp_path / "packed", records)


def test_the_list_is_written_and_leaves_the_images_out(fedface: Invoke, folder: Path, tmp_path: Path) -> None:
    data = ("--dataset", "recordio", "--folder", str(folder))
    sheet = ("--height", "16", "--width", "16", "-o", str(tmp_path / "sheet.png"))
    code, _, err = fedface("data", "preview", *data, *sheet)
    assert code == 2
    assert "record 2 cannot be read" in err
    assert "`fedface data check` lists such images for data.skip_damaged" in " ".join(err.split())
    listed = tmp_path / "damaged.csv"
    code, out, err = fedface("data", "check", *data, "-o", str(listed))
    assert code == 0, err
    assert "2: " in out
    assert "2 of 9 images are damaged; the list: " in out
    assert [line.split(",")[0] for line in listed.read_text().splitlines()] == ["2", "9"]
    told = json.loads(fedface("data", "check", *data, "-o", str(listed), "--json")[1])
    assert told == {"images": 9, "damaged": 2, "list": str(listed)}
    code, out, err = fedface("data", "preview", *data, "--skip-damaged", str(listed), *sheet)
    assert code == 0, err
    assert "3 of 3 identities of recordio" in out
    assert f"damaged images left out, as {listed} lists them: 2" in out
    assert {file.name for file in folder.iterdir()} == {"train.rec", "train.idx"}, "nothing is written beside a user's files"


def test_many_damaged_images_are_counted_on_the_screen(fedface: Invoke, tmp_path: Path) -> None:
    people = [[b"no image"] * 12, [grey_png(1), grey_png(2)]]
    folder = write_records(tmp_path / "packed", with_identities(people))
    code, out, _ = fedface(
        "data", "check", "--dataset", "recordio", "--folder", str(folder), "-o", str(tmp_path / "damaged.csv")
    )
    assert code == 0
    assert "  … and 2 more" in out
    assert "12 of 14 images are damaged" in out


def test_a_data_set_without_a_usable_image_is_an_error(fedface: Invoke, tmp_path: Path) -> None:
    (tmp_path / "faces" / "ann").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "faces" / "ann" / name).write_bytes(b"surely not a picture")
    listed = tmp_path / "damaged.csv"
    code, _, err = fedface("data", "check", "--folder", str(tmp_path / "faces"), "-o", str(listed))
    assert code == 2
    assert "none of the 2 images of" in err
    assert "ann/2.jpg" in listed.read_text()


def test_without_a_folder_it_says_what_is_missing(fedface: Invoke) -> None:
    code, _, err = fedface("data", "check")
    assert code == 2
    assert "Missing option '--folder'" in " ".join(err.split())
