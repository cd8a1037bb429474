"""All ways to sign in, and the middleware that asks for one of them before anything else reads the request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fedface_control.actor import acting_as
from fedface_control.auth.access_tokens import AccessTokens
from fedface_control.auth.browsers import Hosts
from fedface_control.auth.errors import BadCredentialsError, NotSignedInError, refusal
from fedface_control.auth.limits import RequestLimits
from fedface_control.auth.principal import EVERYBODY, Principal
from fedface_core.contracts.http import V1
from fedface_core.contracts.oidc import LONGEST_TOKEN
from fedface_core.domain.api_key import split_key
from fedface_core.domain.errors import FedFaceError, UnavailableError
from fedface_core.ports import ApiKeys

log = structlog.get_logger(__name__)

OPEN_PATHS: Final = frozenset({"/", "/healthz", "/readyz", "/openapi.json", "/docs", f"{V1}/sign-in"})
"""What nobody has to sign in for. Below /docs are the files of that page."""
_OPEN_BELOW: Final = "/docs/"


class KnownKey:
    """A key that is known by a setting, and who signs in with it. Only its digest is kept."""

    def __init__(self, key: str, principal: Principal) -> None:
        self._digest = _digest(key)
        self.principal = principal

    def is_equal_to(self, token_digest: bytes) -> bool:
        """Whether this is the digest of the key, in a time that tells nothing about the key."""
        return hmac.compare_digest(self._digest, token_digest)


@dataclass(frozen=True)
class SignIn:
    """Who may use the API: everybody (``open``), or holders of API keys, of known keys, and of access tokens."""

    open: bool
    keys: ApiKeys
    hosts: Hosts
    limits: RequestLimits
    known: Sequence[KnownKey] = ()
    tokens: AccessTokens | None = None
    client_id: str | None = None
    """The client of the OIDC issuer with which people sign in on the command line."""
    audience: str | None = None
    """What these people, and those of the console, have to ask the issuer for as ``audience``."""
    over_tls: bool = False
    """Whether the API itself speaks TLS."""

    def principal(self, token: str) -> Principal:
        """Who signs in with a token. `BadCredentialsError` if nobody does; no message quotes the token.

        `UnavailableError` or `IssuerUnavailableError` if it cannot be checked now.
        """
        if len(token) > LONGEST_TOKEN:
            raise BadCredentialsError(f"the credentials have more than {LONGEST_TOKEN} characters")
        digest = _digest(token)
        found = [known.principal for known in self.known if known.is_equal_to(digest)]
        if found:
            return found[0]
        parts = split_key(token)
        if parts is not None:
            return self._holder(*parts)
        if self.tokens is not None and token.count(".") == 2:
            return self.tokens.principal(token)
        raise BadCredentialsError("the credentials are no API key" + (" and no access token" if self.tokens else ""))

    def admit(self, authorization: Sequence[str], address: str) -> Principal:
        """Who has sent a request with these ``Authorization`` headers from this address. It is counted.

        `NotSignedInError` if nobody has signed in; `TooManyRequestsError` if it is one too many.
        """
        try:
            principal = self.principal(_token(authorization))
        except BadCredentialsError as error:
            log.warning("sign_in_failed", client=address, reason=str(error))
            self.limits.count_failure(address)
            raise
        assert principal.actor is not None, "only where nobody has to sign in, there is no actor"
        self.limits.count_request(principal.actor)
        return principal

    def _holder(self, key_id: str, secret: str) -> Principal:
        found = self.keys.find(key_id)
        if found is None or not found[0].is_of(secret):
            raise BadCredentialsError("there is no such API key")
        key, used_on = found
        now = datetime.now(UTC)
        if key.has_expired(now):
            raise BadCredentialsError(f"the API key {key.name!r} has expired: have another one made")
        if used_on != now.date():
            try:
                self.keys.note_use(key_id, now.date())
            except UnavailableError as error:  # a full Redis still serves those who look or make room
                log.warning("key_use_not_noted", key=key.name, reason=str(error))
        return Principal(key.actor, frozenset(key.roles))


class SignedIn:
    """Lets a request pass if who sends it has signed in, or if its path is open to all.

    It passes on who that is: in the request's scope, in the log, and as `fedface_control.actor.actor`. Which role an
    operation takes is said beside the operation (`fedface_control.auth.roles.requires`).
    """

    def __init__(self, app: ASGIApp, sign_in: SignIn) -> None:
        self._app = app
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it before its body is read."""
        if scope["type"] != "http" or _is_open(scope):
            await self._app(scope, receive, send)
            return
        if self._sign_in.open:
            principal = EVERYBODY
        else:
            authorization = Headers(scope=scope).getlist("authorization")
            address = scope["client"][0] if scope.get("client") else "an unknown address"
            try:
                principal = await run_in_threadpool(self._sign_in.admit, authorization, address)
            except FedFaceError as error:
                refused = refusal(error)
                refused.headers["Connection"] = "close"  # the body is not read
                await refused(scope, receive, send)
                return
        scope["fedface.principal"] = principal
        told = {} if principal.actor is None else {"actor": principal.actor}
        with acting_as(principal.actor), structlog.contextvars.bound_contextvars(**told):
            await self._app(scope, receive, send)


def _token(authorization: Sequence[str]) -> str:
    """What stands behind ``Bearer`` in the one ``Authorization`` header. `NotSignedInError` if there is none."""
    if not authorization:
        raise NotSignedInError()
    scheme, _, token = authorization[0].partition(" ")
    if len(authorization) > 1 or scheme.lower() != "bearer" or not token.strip(" "):
        raise BadCredentialsError("the credentials are not of the form: Authorization: Bearer TOKEN")
    return token.strip(" ")


def _is_open(scope: Scope) -> bool:
    path = path_without_prefix(scope)
    return path in OPEN_PATHS or path.startswith(_OPEN_BELOW)


def path_without_prefix(scope: Scope) -> str:
    """The path by which the router finds the operation: without a proxy's prefix, which a server that knows it adds."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
