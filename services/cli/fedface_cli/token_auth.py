"""How a command shows the control API who asks: with a token of the environment, or with the session of `fedface login`."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final

import httpx
from pydantic import SecretStr

from fedface_cli.issuer import issuer_client, refreshed
from fedface_cli.sessions import Session, keep_session, kept_session
from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_core.files.bounded_file import read_bytes

TOKEN_VARIABLE: Final = "FEDFACE_TOKEN"  # noqa: S105 - the name of a variable
MOST_TOKEN_BYTES: Final = 16_384
"""Of a token. Servers take headers of some more bytes in all."""
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


class ApiAuth(httpx.Auth):
    """Who asks. ``remedy`` says what a person can do if the API does not believe it."""

    remedy = ""


class TokenAuth(ApiAuth):
    """A token that a person gives, which ends when it ends."""

    def __init__(self, token: SecretStr, remedy: str) -> None:
        self._token = token
        self.remedy = remedy

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with the token."""
        yield _with_token(request, self._token)


class SessionAuth(ApiAuth):
    """The access token of `fedface login`. A new one is fetched shortly before it ends, or if the API refuses it."""

    remedy = "sign in again with: fedface login"

    def __init__(self, session: Session, ca_file: Path | None = None) -> None:
        self._session = session
        self._ca_file = ca_file

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with a token that has not ended; once more with a fresh one if the API refuses that."""
        if self._session.ends_soon:
            self._refresh()
        sent = self._session.access_token
        response = yield _with_token(request, sent)
        if response.status_code == httpx.codes.UNAUTHORIZED and self._session.refresh_token is not None:
            if self._session.access_token == sent:
                self._refresh()
            yield _with_token(request, self._session.access_token)

    def _refresh(self) -> None:
        """Take a fresh access token. If another command was faster, its token is as good, and ours is used up."""
        if self._session.refresh_token is None:
            return
        try:
            with issuer_client(self._session.issuer, self._ca_file) as issuer:
                session = refreshed(issuer, self._session)
        except FedFaceError:
            kept = kept_session(self._session.api_url)
            if kept is None or kept.access_token == self._session.access_token:
                raise
            self._session = kept
            return
        self._session = session
        keep_session(session)


def auth_for(url: httpx.URL, ca_file: Path | None) -> ApiAuth | None:
    """Who asks the API at ``url``: FEDFACE_TOKEN, else who has logged in there, else nobody.

    `InvalidInputError` if the token cannot be one, or if the URL itself has a user and a password, for which there is the
    same one header.
    """
    token = token_of_environment(os.environ)
    if token is not None and url.userinfo:
        raise InvalidInputError(
            f"{TOKEN_VARIABLE} is set, and the API's URL has a user and a password: a request can bring one of them only"
        )
    if token is not None:
        return TokenAuth(token, f"{TOKEN_VARIABLE} is not believed there: give another token, or `unset {TOKEN_VARIABLE}`")
    if url.userinfo:
        return None
    session = kept_session(str(url))
    return None if session is None else SessionAuth(session, ca_file)


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
        return checked_token(_text_of(Path(path), file_variable), f"{file_variable}: {path}")
    return checked_token(given.strip(), TOKEN_VARIABLE) if given else None


def checked_token(token: str, where: str) -> SecretStr:
    """The token. `InvalidInputError`, which names ``where`` it came from and does not quote it, if it cannot be one."""
    if not _TOKEN.fullmatch(token) or len(token) > MOST_TOKEN_BYTES:
        raise InvalidInputError(
            f"{where} is no token: that is one word of at most {MOST_TOKEN_BYTES:,} letters, digits and marks, such as an "
            "API key, which begins with ff_"
        )
    return SecretStr(token)


def _text_of(path: Path, variable: str) -> str:
    if not path.is_file():  # a pipe would be waited for
        raise InvalidInputError(f"{variable} is {str(path)!r:.300}: give the path of a file with the token in it")
    try:
        return read_bytes(path, MOST_TOKEN_BYTES + 2).decode("ascii").strip()
    except UnicodeDecodeError:
        raise InvalidInputError(f"{variable}: {path} is not text of ASCII") from None


def _with_token(request: httpx.Request, token: SecretStr) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
    return request
