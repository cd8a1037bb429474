"""Reads files that a person names, in full but within bounds: the name may lead to anything, such as a video."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, Final

from fedface_core.domain.errors import InvalidInputError

MAX_TEXT_BYTES: Final = 16 * 2**20
"""Of a plan, a study or a trace. The longest trace of a plan takes about a megabyte."""

STANDARD_INPUT: Final = Path("-")


def read_bytes(path: Path, limit: int) -> bytes:
    """All bytes of the file. `InvalidInputError` if it cannot be read, or has more than ``limit`` bytes."""
    try:
        with path.open("rb") as file:
            return read_open_file(file, str(path), limit)
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None


def read_text(path: Path, expected: str) -> str:
    """The text of a UTF-8 file, or of standard input for ``-``, without a byte order mark, which spreadsheets write.

    `InvalidInputError` if it cannot be read, is no text or is larger than `MAX_TEXT_BYTES`; the message says what was
    ``expected``, such as "a study is a TOML file".
    """
    if path != STANDARD_INPUT:
        name = str(path)
        data = read_bytes(path, MAX_TEXT_BYTES)
    else:
        name = "standard input"
        data = _standard_input(name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInputError(f"{name} is not text: {expected}") from None


def _standard_input(name: str) -> bytes:
    if sys.stdin is None:
        raise InvalidInputError(f"cannot read {name}: it is closed")
    try:
        return read_open_file(sys.stdin.buffer, name, MAX_TEXT_BYTES)
    except OSError as error:
        raise InvalidInputError(f"cannot read {name}: {error.strerror}") from None


def read_open_file(file: BinaryIO, name: str, limit: int) -> bytes:
    """All bytes of an open file, called ``name``. `InvalidInputError` if it has more than ``limit`` bytes."""
    data = file.read(limit + 1)
    if len(data) > limit:
        raise InvalidInputError(f"{name} has more than {limit:,} bytes, which is too large")
    return data
