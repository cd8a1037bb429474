"""Lines, tables and numbers of protocols' text files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_lines import LineBounds
from fedface_learning.evaluation import text_files
from fedface_learning.evaluation.text_files import pixels, read_lines, read_table, whole_number, wrong_line

PATH = Path("list.txt")


def test_lines_are_read_without_a_byte_order_mark_and_without_blank_lines_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("\ufeffone\r\n\r\ntwo \n \n\n".encode())
    assert read_lines(tmp_path / "list.txt", "lines") == ["one", "", "two "]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read {}: No such file or directory; it should hold pairs"),
        (b"\xff\xd8\xff", "{}, line 1 is not text in UTF-8; it should hold pairs"),
        (b" \n\n", "{} is empty; it should hold pairs"),
    ],
    ids=["missing", "binary", "blank"],
)
def test_a_file_without_text_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError) as error:
        read_lines(path, "pairs")
    assert str(error.value) == message.format(path)


def test_columns_of_a_table_may_have_any_order_and_others_between_them(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("B, X ,A\n1, 2,3\n4,5 ,6\n")
    rows = list(read_table(tmp_path / "table.csv", ["A", "B"]))
    assert rows == [(2, {"B": "1", "X": "2", "A": "3"}), (3, {"B": "4", "X": "5", "A": "6"})]


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1e3", "٣", "1" * 19])
def test_a_whole_number_has_ascii_digits_and_fits_64_bits(text: str) -> None:
    assert whole_number("0" * 17 + "7", PATH, 1, "a number") == 7
    with pytest.raises(InvalidInputError, match=r"^list\.txt, line 3: expected a number, a whole number"):
        whole_number(text, PATH, 3, "a number")


def test_pixels_are_rounded_and_may_be_negative() -> None:
    assert [pixels(text, PATH, 1, "a width") for text in ("20.4", "-3.6", "0")] == [20, -4, 0]
    for text in ("", "nan", "inf", "wide"):
        with pytest.raises(InvalidInputError, match=r"^list\.txt, line 2: expected a width, a number of pixels"):
            pixels(text, PATH, 2, "a width")


def test_a_message_shows_the_start_of_a_very_long_line() -> None:
    assert str(wrong_line(PATH, 1, "a pair", "x" * 300)) == f"list.txt, line 1: expected a pair, not '{'x' * 200}' and so on"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (f"{'a' * 19}\n" * 51, "has more than 1,000 bytes, which is too large; it should hold pairs"),
        ("a\n" * 101, "has more than 100 lines, which is too many; it should hold pairs"),
        ("a b\n" + "c" * 31, "line 2 is longer than 30 bytes: is it a list?; it should hold pairs"),
        (None, "line 1 is longer than 30 bytes"),
    ],
    ids=["bytes", "lines", "line", "endless"],
)
def test_a_list_beyond_the_bounds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, complaint: str
) -> None:
    monkeypatch.setattr(text_files, "BOUNDS", LineBounds(most_bytes=1000, most_lines=100, longest_line=30))
    path = Path("/dev/zero") if content is None else tmp_path / "pairs.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidInputError, match=re.escape(complaint)):
        read_lines(path, "pairs")
