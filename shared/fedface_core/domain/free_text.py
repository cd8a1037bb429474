"""Text that people write, such as the name of a run: what it may contain, and how it is shown whatever it contains.

A terminal obeys control characters, and lays out text by direction marks. A name with such characters can erase a line,
imitate another line, or break a table for everybody who lists the runs. So new names may not contain them, and the names
that are stored already are shown with their characters spelled out.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from fedface_core.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from pydantic import BaseModel  # `fedface --help` does not wait for pydantic

MOST_CHARACTERS: Final = 4096
"""How long any text of a plan may be. No system has longer paths."""

# Control characters (C0, DEL, C1), invisible format characters (direction marks, zero width), halves of surrogate pairs, and
# the separators of lines and paragraphs.
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Persian, the scripts of India and emoji need these two format characters.
_JOINERS: Final = "\u200c\u200d"
_LAYOUT: Final = "\n\t"


def visible(text: str) -> str:
    """``text`` with each character that a terminal would obey, and not show, spelled out: ``\\x1b`` for escape.

    Line breaks and tabs stay. Text without such characters comes back as it is.
    """
    return _spelled_out(text, kept=_LAYOUT)


def one_line(text: str) -> str:
    """``text`` as `visible` gives it, and on one line: line breaks and tabs are spelled out too."""
    return _spelled_out(text, kept="")


def cut(text: str, longest: int) -> str:
    """``text``, or its beginning and an ellipsis if it has more than ``longest`` characters: that many then."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def check_texts(part: BaseModel) -> None:
    """Check every text of a plan, or of a part of one, that a person has written anew.

    `InvalidInputError` names the field of a text that has characters which cannot be shown, or is too long. What was stored
    before this was checked is read without it.
    """
    _check_tree(part.model_dump(), "")


def check_text(text: str, field: str) -> None:
    """Check a text that a person has written. `InvalidInputError` names its ``field`` if it may not be stored."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidInputError(f"{field} has {len(text)} characters; {MOST_CHARACTERS} are allowed")
    for place, character in enumerate(text, 1):
        if not _can_be_shown(character):
            raise InvalidInputError(
                f"{field} is {text!r}, of which character {place} (U+{ord(character):04X}) cannot be shown; "
                "write text on one line, without control characters and direction marks"
            )


def _check_tree(value: object, field: str) -> None:
    if isinstance(value, dict):
        for name, child in value.items():
            _check_tree(child, f"{field}.{name}" if field else str(name))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            _check_tree(child, f"{field}.{index}")
    elif isinstance(value, str):
        check_text(value, field)


def _spelled_out(text: str, *, kept: str) -> str:
    if text.isprintable():  # nearly every text is
        return text
    return "".join(character if character in kept or _can_be_shown(character) else _escape(character) for character in text)


def _can_be_shown(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _REFUSED_CATEGORIES


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
