"""Sessions: who has signed in in a browser, in a cookie that only the console can read.

The cookie is encrypted (Fernet), HttpOnly and SameSite=Lax. It holds the reader's token for the API, or the id of a session
at the OIDC issuer, whose tokens are longer than a cookie; and the secret that each of the session's forms must bring (so
that no other site's page can send one).

It is not SameSite=Strict: whoever follows a link of an e-mail or a chat would come without it, and would be given the cookie
of a new session in place of their own. No GET changes anything, and what changes something takes the secret of a form.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass, field
from http.cookies import SimpleCookie
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedface_console.errors import ForgedFormError

LONGEST_SECONDS: Final = 12 * 3600
LONGEST_TOKEN: Final = 2800
"""Characters, as JSON writes them. Encrypted it is half as long again, and browsers drop a cookie of above 4,096 bytes."""
SENT_AGAIN_SECONDS: Final = 3600
"""How old the cookie of a session at the issuer becomes. That session ends when the issuer says so, or unused."""
_KEY: Final = "fedface.session"
_ASKED: Final = "fedface.session_asked"


@dataclass(frozen=True)
class Session:
    """One browser's session: its token for the API, or the id of its session at the issuer; and the secret of its forms."""

    token: str | None = None
    form_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    at_issuer: str | None = None

    @property
    def is_signed_in(self) -> bool:
        """Whether somebody has signed in, who may be signed out meanwhile."""
        return self.token is not None or self.at_issuer is not None

    def require_form(self, given: str) -> None:
        """`ForgedFormError` unless ``given`` is the secret of the session's forms."""
        if not hmac.compare_digest(given.encode(), self.form_secret.encode()):
            raise ForgedFormError


class Sessions:
    """ASGI middleware: reads the session of each request, and sends the cookie of a new or a changed one."""

    def __init__(self, app: ASGIApp, secret: str, *, secure: bool) -> None:
        self._app = app
        self._cipher = cipher_of(secret)
        self._secure = secure
        # A browser takes a cookie of this prefix from this very host only, and over TLS.
        self._name = "__Host-fedface" if secure else "fedface"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request with its session in the scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cookie = HTTPConnection(scope).cookies.get(self._name, "")
        before = self._read(cookie)
        scope[_KEY] = before or Session()
        scope[_ASKED] = False

        async def send_with_cookie(message: Message) -> None:
            # What asks for no session, such as a file of ours, may be kept by caches of many: it brings no cookie.
            if message["type"] == "http.response.start" and scope[_ASKED]:
                session: Session = scope[_KEY]
                if session != before or self._is_old(session, cookie):
                    MutableHeaders(scope=message).append("Set-Cookie", self._cookie(session))
            await send(message)

        await self._app(scope, receive, send_with_cookie)

    def _read(self, cookie: str) -> Session | None:
        try:
            return Session(**json.loads(self._cipher.decrypt(cookie, ttl=LONGEST_SECONDS)))
        except (InvalidToken, ValueError, TypeError):  # none, an old one, or one of another secret
            return None

    def _is_old(self, session: Session, cookie: str) -> bool:
        """Whether the browser would soon forget a session that goes on at the issuer."""
        return session.at_issuer is not None and time.time() - self._cipher.extract_timestamp(cookie) > SENT_AGAIN_SECONDS

    def _cookie(self, session: Session) -> str:
        data = json.dumps(asdict(session), allow_nan=False).encode()
        cookie: SimpleCookie = SimpleCookie({self._name: self._cipher.encrypt(data).decode()})
        attributes = cookie[self._name]
        attributes["path"] = "/"
        attributes["httponly"] = True
        attributes["samesite"] = "Lax"
        attributes["max-age"] = LONGEST_SECONDS
        attributes["secure"] = self._secure
        return attributes.OutputString()


def session_of(connection: HTTPConnection) -> Session:
    """The session of a request."""
    connection.scope[_ASKED] = True
    session: Session = connection.scope[_KEY]
    return session


def set_session(connection: HTTPConnection, session: Session) -> None:
    """Give the browser another session with the answer to this request."""
    connection.scope[_ASKED] = True
    connection.scope[_KEY] = session


def cipher_of(secret: str, purpose: str = "") -> Fernet:
    """The cipher of the console's secret, another one for each purpose."""
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"{secret}{purpose}".encode()).digest()))
