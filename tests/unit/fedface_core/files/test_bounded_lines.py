"""Lists are read a line at a time, with numbers as editors count them, and never beyond their bounds."""

from __future__ import annotations

import io

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_lines import LineBounds, read_bounded_lines

BOUNDS = LineBounds(most_bytes=40, most_lines=5, longest_line=10)


def lines_of(data: bytes) -> list[tuple[int, str]]:
    return list(read_bounded_lines(io.BytesIO(data), "list.txt", BOUNDS))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"\xef\xbb\xbfa\r\nb\r\n", ["a", "b"]),
        (b"a\rb\rc", ["a", "b", "c"]),
        ("a\u2028b\x0bc\n".encode(), ["a\u2028b\x0bc"]),
        (b"123456789\n" * 4, ["123456789"] * 4),
    ],
)
def test_lines_are_numbered_and_have_no_end(data: bytes, lines: list[str]) -> None:
    assert lines_of(data) == list(enumerate(lines, start=1))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"a\n1234567890\n", "list.txt, line 2 is longer than 10 bytes"),
        (b"123456789\n" * 4 + b"5", "list.txt has more than 40 bytes"),
        (b"\n" * 6, "list.txt has more than 5 lines"),
        (b"\r" * 7, "list.txt has more than 5 lines"),
        (b"a\nb\xff\n", "list.txt, line 2 is not text in UTF-8"),
    ],
)
def test_what_is_beyond_the_bounds_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        lines_of(data)


def test_no_more_is_read_than_one_line_beyond_the_bounds() -> None:
    file = io.BytesIO(bytes(1000))
    with pytest.raises(InvalidInputError, match="line 1 is longer"):
        next(read_bounded_lines(file, "list.txt", BOUNDS))
    assert file.tell() == BOUNDS.longest_line + 1
