"""Checks of artifact keys, prefixes and ranges. All stores use them, so that all refuse the same ones."""

from __future__ import annotations

import re

from fedface_core.domain.errors import InvalidInputError

_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]+"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_PREFIX = re.compile(rf"(?:{_SEGMENT}/)*[A-Za-z0-9_.-]*")


def check_key(key: str) -> None:
    """Check that a key is a relative path without empty, ``.`` and ``..`` segments. `InvalidInputError` if it is not.

    Other keys could leave the store's directory, or two of them could mean one object.
    """
    if not _KEY.fullmatch(key):
        raise InvalidInputError(
            f"{key!r} is not an artifact key: use letters, digits and -_./ with no empty, '.' or '..' segment, "
            "such as models/0a1b.safetensors"
        )


def check_prefix(prefix: str) -> None:
    """Check that a key can start with this prefix; every key starts with the empty prefix. `InvalidInputError` if not."""
    if not _PREFIX.fullmatch(prefix):
        raise InvalidInputError(f"{prefix!r} is no prefix of an artifact key: use letters, digits and -_./ such as models/")


def check_page(prefix: str, after: str, limit: int) -> None:
    """Check that keys can start with ``prefix``, and that ``after`` is a key or empty. `InvalidInputError` if not.

    ``limit``, the size of the page, is at least 1.
    """
    assert limit >= 1, "who asks for pages bounds them"
    check_prefix(prefix)
    if after:
        check_key(after)


def check_range(key: str, start: int, length: int) -> None:
    """Check that ``start`` is not negative and ``length`` is at least 1. `InvalidInputError` if not.

    A length of 0 is refused, since S3 servers read it as the whole object.
    """
    if start < 0 or length < 1:
        raise InvalidInputError(f"{key}: cannot read {length} bytes from {start}; give start ≥ 0 and length ≥ 1")


def range_past_end(key: str, start: int, size: int | None = None) -> InvalidInputError:
    """The error for a range that starts at or past the end of the object. It names the object's ``size`` if given."""
    of_size = "" if size is None else f", which has {size} bytes"
    return InvalidInputError(f"{key}: cannot read from byte {start}: it is past the end of the object{of_size}")


def part_of(key: str, data: bytes, start: int, length: int) -> bytes:
    """``length`` bytes of the object from byte ``start`` on; fewer if it ends before. ``data`` is the whole object.

    `InvalidInputError` if the range starts at or past its end.
    """
    if start >= len(data):
        raise range_past_end(key, start, len(data))
    return data[start : start + length]
