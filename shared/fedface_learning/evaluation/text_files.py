"""Reading the text files of protocols; every complaint names the file, the line, and what was expected there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fedface_core.domain.errors import InvalidInputError

_SHOWN = 200  # characters of a wrong line, which may be a whole file without line ends
_DIGITS = 18  # of the largest number that 64 bits are sure to hold


def wrong_line(path: Path, number: int, expected: str, found: str) -> InvalidInputError:
    """The error for a line that is not what it should be."""
    shown = repr(found) if len(found) <= _SHOWN else f"{found[:_SHOWN]!r} and so on"
    return InvalidInputError(f"{path}, line {number}: expected {expected}, not {shown}")


def read_lines(path: Path, expected: str) -> list[str]:
    """The lines of a file, without blank ones at its end. `InvalidInputError` where it cannot be read or has none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}; it should hold {expected}") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path} is not text; it should hold {expected}") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InvalidInputError(f"{path} is empty; it should hold {expected}")
    return lines


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows of a CSV file with their line numbers; more columns than ``columns`` may stand in any place."""
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
    """A number that is not negative, and fits 64 bits."""
    if not (text.isascii() and text.isdecimal()):
        raise wrong_line(path, number, f"{what}, a whole number", text)
    if len(text) > _DIGITS:
        raise wrong_line(path, number, f"{what}, a whole number of at most {_DIGITS} digits", text)
    return int(text)


def pixels(text: str, path: Path, number: int, what: str) -> int:
    """A length or place in pixels, to the nearest whole one; places outside the image are negative."""
    try:
        return round(float(text))
    except (ValueError, OverflowError):
        raise wrong_line(path, number, f"{what}, a number of pixels", text) from None
