"""Tokens: words that show a server who asks. None is ever quoted, not in an error either."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr, TypeAdapter, ValidationError

from fedface_core.contracts.oidc import LONGEST_TOKEN, Token
from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_file import read_bytes

TOKEN_VARIABLE: Final = "FEDFACE_TOKEN"  # noqa: S105 - the name of a variable
_TOKEN: Final = TypeAdapter(Token)


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
        return _TOKEN.validate_python(token)
    except ValidationError:  # it would quote the token
        raise InvalidInputError(
            f"{where} is no token: that is one word of at most {LONGEST_TOKEN:,} letters, digits and marks, such as an "
            "API key, which begins with ff_"
        ) from None


def _text_of(path: Path, variable: str) -> str:
    if not path.is_file():  # a pipe would be waited for
        raise InvalidInputError(f"{variable} is {str(path)!r:.300}: give the path of a file with the token in it")
    try:
        return read_bytes(path, LONGEST_TOKEN + 2).decode("ascii").strip()
    except UnicodeDecodeError:
        raise InvalidInputError(f"{variable}: {path} is not text of ASCII") from None
