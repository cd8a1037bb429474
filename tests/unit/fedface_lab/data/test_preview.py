"""`fedface data preview` draws a contact sheet."""

from __future__ import annotations

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
