"""Tokens: words that show a server who asks. None is ever quoted, not in an error either."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_file import read_bytes

TOKEN_VARIABLE: Final = "FEDFACE_TOKEN"  # noqa: S105 - the name of a variable
MOST_TOKEN_BYTES: Final = 16_384
"""Of a token. Servers take headers of some more bytes in all."""
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


def _sendable(token: SecretStr) -> SecretStr:
    """The token. `ValueError` if no header can have it: the library that refuses such a header would quote it."""
    text = token.get_secret_value()
    if not _TOKEN.fullmatch(text) or len(text) > MOST_TOKEN_BYTES:
        raise ValueError("no token")
    return token


Token = Annotated[SecretStr, AfterValidator(_sendable)]
"""One word of ASCII, of at most `MOST_TOKEN_BYTES`."""


def token_of_environment(environ: Mapping[str, str]) -> SecretStr | None:
    """The token in FEDFACE_TOKEN, or in the file that FEDFACE_TOKEN_FILE names.

    `InvalidInputError`, which does not quote it, if it cannot be a token.
    """
    file_variable = f"{TOKEN_VARIABLE}_FILE"
    given = environ.get(TOKEN_VARIABLE)
    path = environ.get(file_variable)
    if given and path:
        raise InvalidInputError(f"{TOKEN_VARIABLE} and {file_variable} are both set: set one of them")
    if path:
        return _checked(_text_of(Path(path), file_variable), f"{file_variable}: {path}")
    return _checked(given.strip(), TOKEN_VARIABLE) if given else None


def _checked(token: str, where: str) -> SecretStr:
    try:
        return _sendable(SecretStr(token))
    except ValueError:
        raise InvalidInputError(
            f"{where} is no token: that is one word of at most {MOST_TOKEN_BYTES:,} letters, digits and marks, such as an "
            "API key, which begins with ff_"
        ) from None


def _text_of(path: Path, variable: str) -> str:
    if not path.is_file():  # a pipe would be waited for
        raise InvalidInputError(f"{variable} is {str(path)!r:.300}: give the path of a file with the token in it")
    try:
        return read_bytes(path, MOST_TOKEN_BYTES + 2).decode("ascii").strip()
    except UnicodeDecodeError:
        raise InvalidInputError(f"{variable}: {path} is not text of ASCII") from None
