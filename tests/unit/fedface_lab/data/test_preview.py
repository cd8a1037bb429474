"""`fedface data preview` draws a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from support.command_line import Invoke


def test_preview_draws_rows_of_people(fedface: Invoke, tmp_path: Path) -> None:
    sheet = tmp_path / "new" / "sheet.png"
    size = ("--height", "40", "--width", "30")
    code, out, _ = fedface(
        "data", "preview", "--dataset", "orl", "--identities", "3", "--images", "4", *size, "-o", str(sheet)
    )
    assert code == 0
    assert out.strip() == f"{sheet}: 3 of 40 identities of orl"
    with Image.open(sheet) as image:
        assert image.height > 3 * 40
        assert image.width > 4 * 30


def test_what_a_folder_passes_over_is_counted(fedface: Invoke, tmp_path: Path) -> None:
    for person in ("ann", "bob", "__MACOSX"):
        (tmp_path / "faces" / person).mkdir(parents=True)
        for number in (1, 2):
            Image.new("L", (30, 40)).save(tmp_path / "faces" / person / f"{number}.webp")
    (tmp_path / "faces" / "ann" / "face.psd").touch()
    options = ("--dataset", "folder", "--folder", str(tmp_path / "faces"), "-o", str(tmp_path / "sheet.png"))
    code, out, err = fedface("data", "preview", *options)
    assert code == 0, err
    assert "2 of 2 identities of folder" in out
    assert "passed over: 1 .psd" in out
    assert "passed over: 1 __MACOSX/" in out
    told = json.loads(fedface("data", "preview", *options, "--json")[1])
    assert (told["file"], told["identities"], told["shown"]) == (str(tmp_path / "sheet.png"), 2, ["ann", "bob"])
    assert told["passed_over"] == {".psd": 1, "__MACOSX/": 1}


def test_labels_say_who_is_in_a_row(fedface: Invoke, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for number in range(4):
        Image.new("L", (30, 40)).save(tmp_path / "flat" / f"{number}.png")
    (tmp_path / "labels.txt").write_text("".join(f"{number}.png {number % 2}\n" for number in range(4)))
    options = ("--folder", str(tmp_path / "flat"), "--labels", str(tmp_path / "labels.txt"), "-o", str(tmp_path / "s.png"))
    code, out, err = fedface("data", "preview", "--dataset", "folder", *options)
    assert code == 0, err
    assert "2 of 2 identities of folder" in out
    code, _, err = fedface("data", "preview", "--dataset", "orl", *options[2:])
    assert (code, "`labels` is for dataset 'folder'" in err) == (2, True)
