"""The URLs of a Redis or Valkey that are read: those that redis-py, for the ledger, and kombu, for the broker, read alike.

    redis://[user]:password@host[:port][/database]     plain TCP
    rediss://…[?ssl_ca_certs=FILE&…]                   TLS, which checks the server's certificate and the name in it

Both libraries also read other URLs, each in its own way. One of them may then connect to another server than the other, or
send the password in clear.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

PLAIN: Final = "redis"
TLS: Final = "rediss"
_FORM: Final = "redis://:secret@host:6379/0, or rediss://:secret@host:6379/0 with TLS"
_ENCODED: Final = (
    "in a secret, write %20 for a space, %23 for #, %25 for %, %2F for /, %3B for ;, %3F for ?, %40 for @, %5B for [, "
    "%5C for \\ and %5D for ]"
)
_FILES: Final = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_CHOICES: Final = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}


def uses_tls(url: str) -> bool:
    """Whether the URL, which `check_redis_url` accepts, asks for TLS."""
    return url.startswith(f"{TLS}://")


def names_authorities(url: str) -> bool:
    """Whether the URL itself names the file of the authorities that are trusted."""
    return "ssl_ca_certs" in dict(parse_qsl(urlsplit(url).query))


def trusting(url: str, authorities: Path) -> str:
    """The ``rediss://`` URL with the file of the authorities that are trusted as a parameter."""
    return f"{url}{'&' if '?' in url else '?'}ssl_ca_certs={quote(str(authorities), safe='')}"


def check_redis_url(url: str) -> None:
    """Raise `ValueError` if the URL is not of the form above. The message says what is wrong, without the password."""
    scheme = re.match(r"([a-z][a-z0-9+.-]{0,30})://", url)
    if scheme is None:
        raise ValueError(f"is no URL; write {_FORM}")
    if scheme[1] not in (PLAIN, TLS):
        raise ValueError(f"begins with {scheme[1]}://, which is not supported; write {_FORM}")
    if re.search(r"[\s;\\]", url) or not url.isprintable():
        raise ValueError(f"has a space, a semicolon, a backslash or a control character; write {_FORM}; {_ENCODED}")
    try:
        parts = urlsplit(url)
    except ValueError:  # a single bracket
        raise ValueError(f"is no URL; write {_FORM}; {_ENCODED}") from None
    if "@" in parts.path + parts.query + parts.fragment or parts.fragment:
        raise ValueError(f"has a secret that ends too early; write {_FORM}; {_ENCODED}")
    if not parts.hostname:
        raise ValueError(f"names no host; write {_FORM}")
    if not has_valid_port(parts):
        raise ValueError(f"has a port that is not a number from 1 to 65535; write {_FORM}; {_ENCODED}")
    if not re.fullmatch(r"/?|/[0-9]{1,5}", parts.path):
        raise ValueError("has a path that is no database; write the number of the database at its end, as in /0")
    _check_query(parts)


def has_valid_port(parts: SplitResult) -> bool:
    """Whether the port of a URL is left out, or a number from 1 to 65535."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def _check_query(parts: SplitResult) -> None:
    if parts.query and parts.scheme != TLS:
        raise ValueError("has parameters after ?, which only a rediss:// URL can have")
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in parameters:
        if name in _FILES:
            if not Path(value).is_file():
                raise ValueError(f"has the parameter {name}, which must name a file, and {value!r} is none here")
        elif name not in _CHOICES:
            raise ValueError(f"has an unknown parameter after ?; possible are {', '.join(sorted(_FILES | _CHOICES.keys()))}")
        elif value not in _CHOICES[name]:
            raise ValueError(f"has the parameter {name}, which must be {' or '.join(_CHOICES[name])}")
    if len({name for name, _ in parameters}) < len(parameters):
        raise ValueError("has a parameter twice")
