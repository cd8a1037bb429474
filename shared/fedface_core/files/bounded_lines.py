"""Reads lists, a line at a time and within bounds: a file may have no line ends, or never end."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from fedface_core.domain.errors import InvalidInputError

LONGEST_LINE: Final = 8192
"""In bytes. No line of a list that people or tools make comes near it: paths and names have 4,096 bytes at most."""


@dataclass(frozen=True)
class LineBounds:
    """How much of a list is read. Who reads more gets an error."""

    most_bytes: int
    most_lines: int
    longest_line: int = LONGEST_LINE
    """In bytes, its end included."""


def read_bounded_lines(file: BinaryIO, name: str, bounds: LineBounds) -> Iterator[tuple[int, str]]:
    """Each line of an open file in UTF-8, called ``name``, with its number from 1 and without its end.

    A byte order mark is left out. `InvalidInputError`, which names the line, if the file has more than the bounds allow, or
    is no text; what comes before that line has been given. `OSError` if the file cannot be read.
    """
    number = 0
    size = 0
    while data := file.readline(bounds.longest_line + 1):
        size += len(data)
        if len(data) > bounds.longest_line:
            raise InvalidInputError(f"{name}, line {number + 1} is longer than {bounds.longest_line:,} bytes: is it a list?")
        if size > bounds.most_bytes:
            raise InvalidInputError(f"{name} has more than {bounds.most_bytes:,} bytes, which is too large")
        try:
            text = (data if number else data.removeprefix(codecs.BOM_UTF8)).decode()
        except UnicodeDecodeError:
            raise InvalidInputError(f"{name}, line {number + 1} is not text in UTF-8") from None
        # A carriage return ends a line, as in universal newlines. What else Unicode calls a line end may be in a name.
        for line in text.removesuffix("\n").removesuffix("\r").split("\r"):
            number += 1
            if number > bounds.most_lines:
                raise InvalidInputError(f"{name} has more than {bounds.most_lines:,} lines, which is too many")
            yield number, line
