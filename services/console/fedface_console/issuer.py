"""The console's own client at the OIDC issuer: the authorization code flow with PKCE (RFC 6749, RFC 7636).

The endpoints come from the issuer's discovery document (OpenID Connect Discovery 1.0). Who signs in is for the control API
to check: here an access token is a word that is kept and sent.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote_plus

import httpx
import jwt
from pydantic import BaseModel, Field, SecretStr, ValidationError

from fedface_console.errors import IssuerAwayError, NotSignedInError, SignedOutError
from fedface_core.contracts.oidc import (
    DISCOVERY_PATH,
    Discovery,
    IssuersUrl,
    Token,
    Tokens,
    refusal_in,
    shown,
    told,
    wrong_fields,
)
from fedface_core.domain.loopback import hides_what_is_sent

MOST_BYTES: Final = 256 * 2**10
"""Of an answer of the issuer."""
ISSUER_SECONDS: Final = 5.0
"""How long one answer may take in all."""
FRESH_SECONDS: Final = 600.0
"""How long the discovery document is believed."""
_CLOCKS_SECONDS: Final = 60
_NOT_NOW: Final = frozenset({408, 425, 429})
BodyT = TypeVar("BodyT", bound=BaseModel)


class Endpoints(Discovery):
    """What a discovery document says about signing in with a browser."""

    authorization_endpoint: IssuersUrl
    revocation_endpoint: IssuersUrl | None = None
    end_session_endpoint: IssuersUrl | None = None
    token_endpoint_auth_methods_supported: list[str] = Field(default_factory=lambda: ["client_secret_basic"])


class SignedInTokens(Tokens):
    """What the token endpoint gives, with who has signed in."""

    id_token: Token | None = None


@dataclass(frozen=True)
class Registration:
    """How the issuer knows the console: its client, and the address that it leads browsers back to."""

    client_id: str
    redirect_uri: str
    client_secret: SecretStr | None = None
    scopes: str = "openid"


def issuer_connection(authorities: Path | None = None) -> httpx.AsyncClient:
    """A connection to the issuer, through no proxy. It trusts these authorities, or else the machine's."""
    trusted: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(authorities)) if authorities else True
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=5)
    return httpx.AsyncClient(timeout=ISSUER_SECONDS, trust_env=False, verify=trusted, limits=limits, headers=headers)


class OidcClient:
    """The console's client at an issuer. Every method raises `IssuerAwayError` if the issuer does not answer."""

    def __init__(self, http: httpx.AsyncClient, registration: Registration) -> None:
        self._http = http
        self._known_as = registration
        self._fetched: tuple[float, Endpoints] | None = None

    async def endpoints(self, issuer: str) -> Endpoints:
        """The endpoints of the issuer. `IssuerAwayError` also if its discovery document is none, or of another issuer."""
        if self._fetched is not None:
            at, known = self._fetched
            if known.issuer == issuer and time.monotonic() - at < FRESH_SECONDS:
                return known
        _require_safe(issuer, "the issuer")
        answer = await self._ask("GET", issuer.rstrip("/") + DISCOVERY_PATH)
        if not answer.is_success:
            raise IssuerAwayError(f"The issuer {issuer} has no discovery document: it answered {answer.status_code}.")
        found = _parsed(Endpoints, answer, issuer)
        if found.issuer != issuer:
            raise IssuerAwayError(f"The discovery document of {issuer} is of {shown(found.issuer)}.")
        for url in (
            found.authorization_endpoint,
            found.token_endpoint,
            found.revocation_endpoint,
            found.end_session_endpoint,
        ):
            if url is not None:
                _require_safe(url, "an endpoint of the issuer")
        self._fetched = (time.monotonic(), found)
        return found

    async def authorization_url(
        self, issuer: str, state: str, nonce: str, verifier: str, audience: str | None = None
    ) -> str:
        """Where the browser is sent to sign in. ``verifier`` is PKCE's secret, of which the issuer gets the SHA-256 now.

        ``audience`` is what the tokens are for, if the issuer wants to be asked for it.
        """
        endpoints = await self.endpoints(issuer)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._known_as.client_id,
            "redirect_uri": self._known_as.redirect_uri,
            "scope": self._known_as.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        } | ({"audience": audience} if audience else {})
        return str(httpx.URL(endpoints.authorization_endpoint).copy_merge_params(asked))

    async def exchanged(self, issuer: str, code: str, nonce: str, verifier: str) -> SignedInTokens:
        """The tokens for a code that the issuer has sent a browser back with.

        `NotSignedInError` if the issuer gives none, or an ID token that is not of this very sign-in (``nonce``).
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._known_as.redirect_uri,
            "code_verifier": verifier,
        }
        endpoints = await self.endpoints(issuer)
        answer = await self._post(endpoints, endpoints.token_endpoint, form)
        if not answer.is_success:
            raise NotSignedInError(f"The issuer {issuer} did not sign you in: {_reason(answer, code, verifier)}.")
        tokens = _parsed(SignedInTokens, answer, issuer)
        self._check_id_token(issuer, tokens, nonce)
        return tokens

    async def renewed(self, issuer: str, refresh_token: SecretStr) -> Tokens:
        """Fresh tokens. `SignedOutError` if the issuer gives none, since the session has ended there."""
        secret = refresh_token.get_secret_value()
        endpoints = await self.endpoints(issuer)
        answer = await self._post(
            endpoints, endpoints.token_endpoint, {"grant_type": "refresh_token", "refresh_token": secret}
        )
        if not answer.is_success:
            raise SignedOutError(f"Your session at {issuer} has ended ({_reason(answer, secret)}).")
        return _parsed(Tokens, answer, issuer).or_refreshed_by(refresh_token)

    async def revoke(self, issuer: str, refresh_token: SecretStr) -> None:
        """Have the issuer forget a refresh token (RFC 7009), if it has an endpoint for that."""
        endpoints = await self.endpoints(issuer)
        if endpoints.revocation_endpoint is not None:
            form = {"token": refresh_token.get_secret_value(), "token_type_hint": "refresh_token"}
            answer = await self._post(endpoints, endpoints.revocation_endpoint, form)
            if not answer.is_success:
                raise IssuerAwayError(f"The issuer {issuer} forgets no token: it answered {answer.status_code}.")

    async def sign_out_url(self, issuer: str) -> str | None:
        """Where people sign out at the issuer itself; None if it has no such page."""
        endpoints = await self.endpoints(issuer)
        if endpoints.end_session_endpoint is None:
            return None
        return str(httpx.URL(endpoints.end_session_endpoint).copy_merge_params({"client_id": self._known_as.client_id}))

    def _check_id_token(self, issuer: str, tokens: SignedInTokens, nonce: str) -> None:
        """Check that the ID token is for this client and of this sign-in.

        Its signature is not checked: it came from the issuer itself, over TLS (OpenID Connect Core 1.0, 3.1.3.7, point 6).
        """
        try:
            if tokens.id_token is None:
                raise jwt.MissingRequiredClaimError("id_token")
            claims = jwt.decode(
                tokens.id_token.get_secret_value(),
                options={
                    "verify_signature": False,
                    "verify_aud": True,
                    "verify_iss": True,
                    "verify_exp": True,
                    "require": ["iss", "aud", "exp", "sub", "nonce"],
                },
                audience=self._known_as.client_id,
                issuer=issuer,
                leeway=_CLOCKS_SECONDS,
            )
        except jwt.PyJWTError as error:
            wrong = type(error).__name__
        else:
            is_own = claims.get("azp", self._known_as.client_id) == self._known_as.client_id
            wrong = "another client" if not is_own else "another nonce" if claims["nonce"] != nonce else ""
        if wrong:
            raise NotSignedInError(f"The ID token of {issuer} is not of this sign-in ({wrong}). Begin again.")

    async def _post(self, endpoints: Endpoints, url: str, form: Mapping[str, str]) -> httpx.Response:
        """The answer to a form, which shows who the client is. `IssuerAwayError` if the issuer cannot say now."""
        known_as = self._known_as
        secret = known_as.client_secret.get_secret_value() if known_as.client_secret else None
        auth = None
        if secret is None:
            form = {**form, "client_id": known_as.client_id}
        elif "client_secret_basic" in endpoints.token_endpoint_auth_methods_supported:
            auth = httpx.BasicAuth(quote_plus(known_as.client_id), quote_plus(secret))  # RFC 6749, section 2.3.1
        else:
            form = {**form, "client_id": known_as.client_id, "client_secret": secret}
        answer = await self._ask("POST", url, form, auth)
        if answer.is_server_error or answer.status_code in _NOT_NOW:
            raise IssuerAwayError(f"The issuer {endpoints.issuer} answered {answer.status_code}. Try again.")
        return answer

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None, auth: httpx.Auth | None = None
    ) -> httpx.Response:
        """The answer, of bounded size and within a bounded time. Nothing that was sent is quoted."""
        host = httpx.URL(url).host
        body = bytearray()
        try:
            async with (
                asyncio.timeout(ISSUER_SECONDS),
                self._http.stream(method, url, data=form, auth=auth) as answer,
            ):
                async for part in answer.aiter_raw():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise IssuerAwayError(f"The issuer at {host} answers with more than {MOST_BYTES:,} bytes.")
                return httpx.Response(answer.status_code, content=bytes(body))
        except (httpx.HTTPError, TimeoutError) as error:
            raise IssuerAwayError(f"The issuer at {host} does not answer ({type(error).__name__}). Try again.") from None


def _require_safe(url: str, what: str) -> None:
    """`IssuerAwayError` unless the URL is one of HTTPS, or of this machine: tokens never travel in clear."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise IssuerAwayError(f"{what.capitalize()} is {shown(url)}, which is no URL.") from None
    if not hides_what_is_sent(parsed.scheme, parsed.host):
        raise IssuerAwayError(f"{what.capitalize()} is {shown(url)}: tokens travel by HTTPS only, but on this machine.")


def _parsed(kind: type[BodyT], answer: httpx.Response, issuer: str) -> BodyT:
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise IssuerAwayError(
            f"The issuer {issuer} does not answer as OpenID Connect says (wrong: {wrong_fields(error)})."
        ) from None


def _reason(answer: httpx.Response, *secrets: str) -> str:
    return told(refusal_in(answer.content, answer.status_code), *secrets)
