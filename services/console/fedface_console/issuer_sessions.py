"""Who has signed in at the OIDC issuer: tokens that are renewed as long as the issuer allows it.

They are kept in this process, and the cookie names them: an access and a refresh token together are longer than a cookie,
and of two requests that renew tokens at once, only one may use the refresh token.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from typing import Final

import httpx
import structlog
from pydantic import SecretStr

from fedface_console.errors import AwayError, SignedOutError
from fedface_console.issuer import OidcClient
from fedface_core.contracts.oidc import Tokens

log = structlog.get_logger(__name__)

MOST_SESSIONS: Final = 2000
"""In a process. With the longest tokens they take 50 MB."""
MOST_OF_ONE: Final = 20
"""Of one actor, who thus displaces nobody else."""
UNUSED_SECONDS: Final = 12 * 3600.0
"""After which a session is forgotten."""
EARLY_SECONDS: Final = 30.0
"""How long before its end an access token is renewed; of a short one a quarter of its time."""


class IssuerSession(httpx.Auth):
    """One person's session at the issuer, which signs requests to the API.

    A request raises `SignedOutError` if the issuer has ended the session, and `IssuerAwayError` if a token has to be renewed
    and the issuer does not answer.
    """

    def __init__(
        self,
        client: OidcClient,
        issuer: str,
        tokens: Tokens,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self.actor = ""  # until the API has said whom these tokens are of
        self.used_at = clock()
        self._client = client
        self._clock = clock
        self._access: SecretStr | None = None
        self._refresh: SecretStr | None = None
        self._ends_at = float("inf")
        self._renewed_from = float("inf")
        self._why_ended = ""
        self._renewing: asyncio.Task[None] | None = None
        self._take(tokens)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The request with a token that has not ended; once more with a fresh one if the API refuses that."""
        self.used_at = self._clock()
        if self._access is not None and self._refresh is not None and self._clock() > self._renewed_from:
            await self._renew_early(self._access)
        sent = self._token()
        response = yield _with_token(request, sent)
        if response.status_code == httpx.codes.UNAUTHORIZED and self._refresh is not None:
            await self._renew(sent)
            yield _with_token(request, self._token())

    async def end(self) -> None:
        """Forget the tokens, and have the issuer forget the refresh token. What goes wrong there is noted in the log."""
        if self._renewing is not None:  # what it brings is to be forgotten too
            await asyncio.wait({self._renewing})
        refresh = self._refresh
        self._forget("You have signed out.")
        if refresh is None:
            return
        try:
            await self._client.revoke(self.issuer, refresh)
        except AwayError as error:
            log.warning("refresh_token_not_revoked", issuer=self.issuer, reason=str(error))

    def _token(self) -> SecretStr:
        if self._access is None:
            raise SignedOutError(self._why_ended)
        return self._access

    async def _renew_early(self, ending: SecretStr) -> None:
        """Renew a token that ends soon. If the issuer is away, the token is good as long as it is."""
        try:
            await self._renew(ending)
        except AwayError as error:
            if self._clock() > self._ends_at:
                raise
            log.warning("token_not_renewed_early", issuer=self.issuer, reason=str(error))

    async def _renew(self, ending: SecretStr) -> None:
        """Take fresh tokens, unless another request has done so meanwhile. Requests at the same moment ask once."""
        if self._access != ending:
            return
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._ask_for_tokens())
            self._renewing.add_done_callback(self._renewal_done)
        # A request that is given up must not break off what brings the next refresh token.
        await asyncio.shield(self._renewing)

    async def _ask_for_tokens(self) -> None:
        assert self._refresh is not None, "there is something to renew with"
        try:
            self._take(await self._client.renewed(self.issuer, self._refresh))
        except SignedOutError as error:
            log.info("session_ended_at_issuer", issuer=self.issuer, actor=self.actor, reason=str(error))
            self._forget(str(error))
            raise

    def _renewal_done(self, task: asyncio.Task[None]) -> None:
        self._renewing = None
        if not task.cancelled():
            task.exception()  # whoever waits for it has it too; nobody may be left

    def _take(self, tokens: Tokens) -> None:
        if self._why_ended:  # signed out meanwhile
            return
        self._access = tokens.access_token
        self._refresh = tokens.refresh_token
        if tokens.expires_in is not None:
            self._ends_at = self._clock() + tokens.expires_in
            self._renewed_from = self._ends_at - min(EARLY_SECONDS, tokens.expires_in / 4)

    def _forget(self, why: str) -> None:
        self._access = None
        self._refresh = None
        self._why_ended = why


class IssuerSessions:
    """The sessions of this process by their ids, the one that was not used for longest first."""

    def __init__(self, *, most: int = MOST_SESSIONS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._sessions: OrderedDict[str, IssuerSession] = OrderedDict()

    def add(self, session: IssuerSession) -> str:
        """Keep a session; its id, which nobody can guess. The oldest makes room for it."""
        own = [name for name, one in self._sessions.items() if one.actor == session.actor]
        for name in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._sessions[name]
        while self._sessions and (len(self._sessions) >= self._most or self._is_unused(next(iter(self._sessions.values())))):
            self._sessions.popitem(last=False)
        name = secrets.token_urlsafe(32)
        self._sessions[name] = session
        return name

    def find(self, name: str) -> IssuerSession:
        """The session with this id. `SignedOutError` if there is none."""
        session = self._sessions.get(name)
        if session is None or self._is_unused(session):
            raise SignedOutError("Your session has ended, or the console was started again.")
        self._sessions.move_to_end(name)
        return session

    def take(self, name: str) -> IssuerSession | None:
        """The session with this id, which is no longer kept; None if there is none."""
        return self._sessions.pop(name, None)

    def _is_unused(self, session: IssuerSession) -> bool:
        return self._clock() - session.used_at > UNUSED_SECONDS


def _with_token(request: httpx.Request, token: SecretStr) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
    return request
