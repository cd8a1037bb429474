"""Whatever a name leads to, it is read within bounds or refused in words."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files import bounded_file
from fedface_core.files.bounded_file import STANDARD_INPUT, read_bytes, read_text


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"four")
    assert read_bytes(file, 4) == b"four"
    with pytest.raises(InvalidInputError, match=f"{file} has more than 3 bytes"):
        read_bytes(file, 3)
    with pytest.raises(InvalidInputError, match="/dev/zero has more than 1,000 bytes"):
        read_bytes(Path("/dev/zero"), 1000)


@pytest.mark.parametrize(("path", "complaint"), [("none", "No such file"), (".", "Is a directory")])
def test_what_cannot_be_read_is_named(path: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=f"cannot read {tmp_path / path}: {complaint}"):
        read_bytes(tmp_path / path, 10)


def test_a_text_has_no_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("größer", encoding="utf-8-sig")
    assert read_text(tmp_path / "text", "a text was expected") == "größer"


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("größer".encode("latin-1"))
    with pytest.raises(InvalidInputError, match="latin is not text: a study is a TOML file"):
        read_text(tmp_path / "latin", "a study is a TOML file")


def test_standard_input_is_utf_8_and_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("größer".encode()), encoding="latin-1"))
    assert read_text(STANDARD_INPUT, "") == "größer"
    monkeypatch.setattr(bounded_file, "MAX_TEXT_BYTES", 3)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"four")))
    with pytest.raises(InvalidInputError, match="standard input has more than 3 bytes"):
        read_text(STANDARD_INPUT, "")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InvalidInputError, match="cannot read standard input: it is closed"):
        read_text(STANDARD_INPUT, "")
