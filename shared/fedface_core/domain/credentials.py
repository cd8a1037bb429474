"""Hides the credentials in URLs: in every `FedFaceError`, every log record and every traceback of the command."""

from __future__ import annotations

import re
from typing import Final

_MASK: Final = "***"

# A mark of a URL that is percent-encoded, even several times: a URL can be a parameter of another URL.
_COLON: Final = r"%(?:25)*3A"
_SLASH: Final = r"%(?:25)*2F"
_AT: Final = r"%(?:25)*40"
_SEPARATOR: Final = r"(?:[?&;]|%(?:25)*(?:3F|26|3B))"
_EQUALS: Final = r"(?:=|%(?:25)*3D)"
_NAMES: Final = r"passw|pwd|secret|token|signature|credential|auth|access[-_]?key|api[-_]?key"

# A raw password may itself contain @, / and quotes. So everything up to the last @ before a blank is hidden.
_USERINFO: Final = re.compile(rf"(://)(?:\S*@|[^\s/?#]*{_AT})", re.IGNORECASE)
_ENCODED_USERINFO: Final = re.compile(rf"((?:{_COLON}(?:/|{_SLASH})|:{_SLASH})(?:/|{_SLASH}))\S*(@|{_AT})", re.IGNORECASE)
# A backslash belongs to the quote behind it: in a JSON log that quote is a part of the value.
_PARAMETER: Final = re.compile(
    rf"({_SEPARATOR}[\w.%-]{{0,40}}?(?:{_NAMES})[\w.-]{{0,40}}?{_EQUALS})(?:\\.|(?!%(?:25)*26)[^\s&#\"\\])+",
    re.IGNORECASE,
)


def mask_credentials(text: str) -> str:
    """``text`` with user names and passwords in URLs hidden: ``redis://***@host:6379/0``, ``http://host/?password=***``.

    It hides what stands before the ``@`` of a URL, and parameters whose names speak of passwords, secrets, tokens, keys or
    signatures; also if a URL is percent-encoded. If a path contains an ``@``, the part before it is hidden too.
    """
    if "://" not in text and "%" not in text and "?" not in text:  # nearly every text
        return text
    masked = _USERINFO.sub(rf"\1{_MASK}@", text)
    masked = _ENCODED_USERINFO.sub(rf"\1{_MASK}\2", masked)
    return _PARAMETER.sub(rf"\1{_MASK}", masked)


def mask_url(url: str) -> str:
    """One URL with its credentials hidden, however wrong the URL is: without a scheme, with a blank in the password."""
    before, at, host = url.rpartition("@")
    if not at:
        return mask_credentials(url)
    scheme, mark, _ = before.partition("://")
    return mask_credentials(f"{scheme}://{_MASK}@{host}" if mark else f"{_MASK}@{host}")
