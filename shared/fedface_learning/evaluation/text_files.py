"""Reading of protocols' text files. Every error names the file, the line, and what was expected in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_lines import LineBounds, read_bounded_lines

BOUNDS: Final = LineBounds(most_bytes=1 << 30, most_lines=20_000_000)
"""Of one list. The longest of a published protocol, IJB-C's 16 million pairs, has some 200 MB."""
_SHOWN = 200  # characters of a wrong line that a message shows; a file without line ends is one line
_DIGITS = 18  # most digits of a number; every such number fits 64 bits


def wrong_line(path: Path, number: int, expected: str, found: str) -> InvalidInputError:
    """The error for line ``number`` of a file, which has ``found`` where ``expected`` was expected."""
    shown = repr(found) if len(found) <= _SHOWN else f"{found[:_SHOWN]!r} and so on"
    return InvalidInputError(f"{path}, line {number}: expected {expected}, not {shown}")


def read_lines(path: Path, expected: str) -> list[str]:
    """The lines of a UTF-8 file, without blank lines at its end.

    `InvalidInputError`, which names what was ``expected``, if the file cannot be read, has no lines or is beyond `BOUNDS`.
    """
    try:
        with path.open("rb") as file:
            lines = [line for _, line in read_bounded_lines(file, str(path), BOUNDS)]
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}; it should hold {expected}") from None
    except InvalidInputError as error:
        raise InvalidInputError(f"{error}; it should hold {expected}") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InvalidInputError(f"{path} is empty; it should hold {expected}")
    return lines


def fields_of(line: str) -> list[str]:
    """The fields of a line: between tabs if the line has one, so that a name may have spaces, else between white space."""
    return [field.strip() for field in line.rstrip().split("\t")] if "\t" in line.rstrip() else line.split()


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows of a CSV file, each as its line number and column → text. The file may have more columns than ``columns``.

    `InvalidInputError` if the file cannot be read, has no rows, lacks a column, or has a row of another length.
    """
    lines = read_lines(path, f"a header with {', '.join(columns)}, then a row a face")
    header = [name.strip() for name in lines[0].split(",")]
    missing = [name for name in columns if name not in header]
    if missing:
        raise wrong_line(path, 1, f"a header with {', '.join(columns)} (missing: {', '.join(missing)})", lines[0])
    if len(lines) == 1:
        raise InvalidInputError(f"{path} has a header but no rows")
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split(",")
        if len(fields) != len(header):
            raise wrong_line(path, number, f"{len(header)} fields, as the header has", line)
        yield number, dict(zip(header, (value.strip() for value in fields), strict=True))


def whole_number(text: str, path: Path, number: int, what: str) -> int:
    """The text as a whole number from 0 that fits 64 bits.

    `InvalidInputError`, which names line ``number`` of ``path`` and ``what`` was expected, if it is none.
    """
    if not (text.isascii() and text.isdecimal()):
        raise wrong_line(path, number, f"{what}, a whole number", text)
    if len(text) > _DIGITS:
        raise wrong_line(path, number, f"{what}, a whole number of at most {_DIGITS} digits", text)
    return int(text)


def pixels(text: str, path: Path, number: int, what: str) -> int:
    """The text as a length or a coordinate in pixels, rounded to a whole number. It may be negative.

    `InvalidInputError`, which names line ``number`` of ``path`` and ``what`` was expected, if it is no number.
    """
    try:
        return round(float(text))
    except (ValueError, OverflowError):
        raise wrong_line(path, number, f"{what}, a number of pixels", text) from None
