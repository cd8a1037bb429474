"""Sessions: who has signed in in a browser, in a cookie that only the console can read.

The cookie is encrypted (Fernet), HttpOnly and SameSite=Strict. It holds the reader's token for the API, and the secret that
each of the session's forms must bring (so that no other site's page can send one).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, field
from http.cookies import SimpleCookie
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedface_console.errors import ForgedFormError

LONGEST_SECONDS: Final = 12 * 3600
LONGEST_TOKEN: Final = 3000  # a cookie has 4,096 bytes
_KEY: Final = "fedface.session"


@dataclass(frozen=True)
class Session:
    """One browser's session: its token for the API, or None, and the secret of its forms."""

    token: str | None = None
    form_secret: str = field(default_factory=lambda: secrets.token_hex(16))

    def require_form(self, given: str) -> None:
        """`ForgedFormError` unless ``given`` is the secret of the session's forms."""
        if not hmac.compare_digest(given.encode(), self.form_secret.encode()):
            raise ForgedFormError


class Sessions:
    """ASGI middleware: reads the session of each request, and sends the cookie of a new or a changed one."""

    def __init__(self, app: ASGIApp, secret: str, *, secure: bool) -> None:
        self._app = app
        self._cipher = Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()))
        self._secure = secure
        # A browser takes a cookie of this prefix from this very host only, and over TLS.
        self._name = "__Host-fedface" if secure else "fedface"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request with its session in the scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        before = self._read(HTTPConnection(scope).cookies.get(self._name, ""))
        scope[_KEY] = before or Session()

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and scope[_KEY] != before:
                MutableHeaders(scope=message).append("Set-Cookie", self._cookie(scope[_KEY]))
            await send(message)

        await self._app(scope, receive, send_with_cookie)

    def _read(self, cookie: str) -> Session | None:
        try:
            return Session(**json.loads(self._cipher.decrypt(cookie, ttl=LONGEST_SECONDS)))
        except (InvalidToken, ValueError, TypeError):  # none, an old one, or one of another secret
            return None

    def _cookie(self, session: Session) -> str:
        data = json.dumps(asdict(session), allow_nan=False).encode()
        cookie: SimpleCookie = SimpleCookie({self._name: self._cipher.encrypt(data).decode()})
        attributes = cookie[self._name]
        attributes["path"] = "/"
        attributes["httponly"] = True
        attributes["samesite"] = "Strict"
        attributes["max-age"] = LONGEST_SECONDS
        attributes["secure"] = self._secure
        return attributes.OutputString()


def session_of(connection: HTTPConnection) -> Session:
    """The session of a request."""
    session: Session = connection.scope[_KEY]
    return session


def set_session(connection: HTTPConnection, session: Session) -> None:
    """Give the browser another session with the answer to this request."""
    connection.scope[_KEY] = session
