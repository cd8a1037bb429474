"""The check of the URL of a Redis or Valkey: redis-py, for the ledger, and kombu, for the broker, have to find its parts."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_FORM: Final = (
    "the form is redis://:secret@host:6379/0, and these characters of a secret are percent-encoded: "
    "a space is %20, # is %23, / is %2F, ? is %3F, [ is %5B, ] is %5D, % is %25"
)


def check_redis_url(url: str) -> None:
    """Raise `ValueError` if the clients of Redis and Celery would not find host, port and database in the URL.

    Any scheme passes. The message does not quote the URL, which may hold a password.
    """
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError(f"has white space or a control character; {_FORM}")
    try:
        parts = urlsplit(url)
    except ValueError:  # a single bracket
        raise ValueError(f"is no URL; {_FORM}") from None
    if "@" in parts.path + parts.query + parts.fragment or parts.fragment:
        raise ValueError(f"has a secret that ends too early; {_FORM}")
    if parts.scheme == "unix":  # the path of a socket, without host and port
        return
    if not parts.hostname:
        raise ValueError(f"names no host; {_FORM}")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"has a port that is not a number from 1 to 65535; {_FORM}")
    if not re.fullmatch(r"(/[0-9]{0,9})?", parts.path):
        raise ValueError(f"has a path that is not the number of a database; {_FORM}")
