"""The reason of a failure as operators are shown it: one line, short, without secrets and rows of numbers."""

from __future__ import annotations

import re
from typing import Final

from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.free_text import cut, one_line

LONGEST_REASON: Final = 300
"""In characters."""
LONGEST_STORED_REASON: Final = 4000
"""In characters: what the ledger keeps of a reason, whoever wrote it. One of too few updates names the refused ones."""
_LONGEST_READ: Final = 4000
"""How many characters of a message are looked at."""

_NAMED_SECRET = re.compile(
    r"(?i)((?:pass(?:word|wd)?|secret|token|credential|signature|authorization|(?:access|api|secret)[_-]?key)\w*"
    r"[\"']?\s*[=:]\s*)(?:bearer\s+)?[^\s,;&]+"
)
# Values of a tensor, perhaps of somebody's class embedding or photograph: fractions, or more integers than a shape has.
_NUMBERS = re.compile(
    r"-?\d+\.\d*(?:e[-+]?\d+)?(?:[\s,\[\]]+-?\d+\.\d*(?:e[-+]?\d+)?){2,}"
    r"|-?\d+(?:\.\d*)?(?:e[-+]?\d+)?(?:[\s,\[\]]+-?\d+(?:\.\d*)?(?:e[-+]?\d+)?){5,}"
)
_VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(?:\.\d+)?")


def reason_of(error: BaseException) -> str:
    """An error as the reason of a failure: its type and its message in one line of `LONGEST_REASON` characters at most.

    Passwords, keys and rows of numbers are masked: the reason is shown to operators, and class embeddings never are.
    """
    try:
        message = str(error)
    except Exception as unprintable:  # an error of any library may have a message that cannot be made
        message = f"its message cannot be printed: {type(unprintable).__name__}"
    kind = type(error).__name__
    return shortened(f"{kind}: {masked(message)}" if message.strip() else kind)


def masked(text: str) -> str:
    """The beginning of the text, with passwords and keys as ``***``, and with rows of numbers as ``…``."""
    if len(text) > _LONGEST_READ:
        text = text[:_LONGEST_READ].rpartition(" ")[0]  # not the beginning of a password, which no pattern would know
    return _NUMBERS.sub("…", _NAMED_SECRET.sub(r"\1***", mask_credentials(text)))


def shortened(text: str, longest: int = LONGEST_REASON) -> str:
    """The text in one line of ``longest`` characters at most. Characters that a terminal would obey are spelled out."""
    return cut(one_line(" ".join(text.split())), longest)


def identity(reason: str) -> str:
    """What a reason has in common with other reasons of its kind: numbers, addresses and digests become ``#``."""
    return _VARIABLE.sub("#", reason)
