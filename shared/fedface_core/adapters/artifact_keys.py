"""The one rule for artifact keys and ranges, so that every store refuses the same ones."""

from __future__ import annotations

import re

from fedface_core.domain.errors import InvalidInputError

_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]+"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_PREFIX = re.compile(rf"(?:{_SEGMENT}/)*[A-Za-z0-9_.-]*")


def check_key(key: str) -> None:
    """`InvalidInputError` if the key is not a clean relative path: it could leave the store's directory, or two keys could
    mean one object.
    """
    if not _KEY.fullmatch(key):
        raise InvalidInputError(
            f"{key!r} is not an artifact key: use letters, digits and -_./ with no empty, '.' or '..' segment, "
            "such as models/0a1b.safetensors"
        )


def check_prefix(prefix: str) -> None:
    """`InvalidInputError` if no key can start with this prefix; every key starts with the empty one."""
    if not _PREFIX.fullmatch(prefix):
        raise InvalidInputError(f"{prefix!r} is no prefix of an artifact key: use letters, digits and -_./ such as models/")


def check_range(key: str, start: int, length: int) -> None:
    """`InvalidInputError` if ``length`` bytes from byte ``start`` on are no range. No bytes are none: object stores take
    that for the whole object.
    """
    if start < 0 or length < 1:
        raise InvalidInputError(f"{key}: cannot read {length} bytes from {start}; give start ≥ 0 and length ≥ 1")


def range_past_end(key: str, start: int, size: int | None = None) -> InvalidInputError:
    """The error for a range that starts at or past the end of the object; it names the ``size`` if that is known."""
    has = "" if size is None else f", which has {size} bytes"
    return InvalidInputError(f"{key}: cannot read from byte {start}: it is past the end of the object{has}")
