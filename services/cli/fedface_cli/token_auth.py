"""How a command shows the control API who asks: with a token of the environment, or with the session of `fedface login`."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import httpx
from pydantic import SecretStr

from fedface_cli.issuer import issuer_client, refreshed
from fedface_cli.sessions import Session, keep_session, kept_session
from fedface_cli.tokens import TOKEN_VARIABLE, token_of_environment
from fedface_core.domain.errors import FedFaceError, InvalidInputError


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


def _with_token(request: httpx.Request, token: SecretStr) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
    return request
