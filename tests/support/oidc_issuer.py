"""A small OIDC issuer over HTTP on a free port: metadata, a key set, and tokens signed with its keys.

It has the device authorization grant (RFC 8628), whose codes a test confirms in place of a person with a browser, and the
authorization code grant with PKCE, whose page has a link to follow.

It can be told to publish other keys, to answer wrongly, or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "fedface-api"
CLIENT_ID = "fedface-cli"
CONSOLE_CLIENT_ID = "fedface-console"
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # takes long, so it is made once


class SmallIssuer:
    """Its keys by their ids. ``published`` are the ids in its key set; ``answers`` replaces the answer of a path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: dict[str, tuple[str, PrivateKey]] = {
            "rsa": ("RS256", _RSA),
            "ec": ("ES256", ec.generate_private_key(ec.SECP256R1())),
            "ed": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
        }
        self.published = ["rsa", "ec", "ed"]
        self.metadata: dict[str, Any] = {
            "issuer": url,
            "jwks_uri": f"{url}/keys",
            "device_authorization_endpoint": f"{url}/device",
            "token_endpoint": f"{url}/token",
            "authorization_endpoint": f"{url}/authorize?realm=faces",
            "revocation_endpoint": f"{url}/revoke",
            "end_session_endpoint": f"{url}/sign-out",
            "scopes_supported": ["openid", "offline_access"],
        }
        self.seconds: float = 300
        """How long a token is good for."""
        self.waiting: dict[str, str] = {}
        """User code → device code, of the codes that nobody has confirmed."""
        self.granted: dict[str, dict[str, Any]] = {}
        """Device code or refresh token → the claims of the tokens that it brings, once."""
        self.person: dict[str, Any] = {}
        """The claims of whoever follows the link of the page."""
        self.nonce: str | None = None
        """What stands in ID tokens in place of the nonce that was asked for."""
        self.console_secret: str | None = None
        """What the console's client shows that it is itself with; None if it is public."""
        self.begun: dict[str, dict[str, str]] = {}
        """Code → what the browser was sent here with."""
        self.wants_to_be_asked_for_audience = False
        """As Auth0 does: else its tokens are for nothing but its own userinfo."""
        self.audience = AUDIENCE
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: Counter[str] = Counter()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of an honest token; None takes one away."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": self.audience,
            "sub": "ann",
            "iat": now,
            "exp": now + self.seconds,
            "roles": ["viewer"],
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(
        self, key_id: str = "rsa", *, algorithm: str | None = None, headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A token that is signed with this key."""
        own, key = self.keys[key_id]
        return jwt.encode(
            self.claims(**changes), key, algorithm=algorithm or own, headers={"kid": key_id, **(headers or {})}
        )

    def key_set(self) -> dict[str, Any]:
        """The public keys, as they are published."""
        return {"keys": [public_jwk(self.keys[key_id][1]) | {"kid": key_id} for key_id in self.published]}

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a GET."""
        path, _, query = path.partition("?")
        self.asked[path] += 1
        if path in self.answers:
            return self.answers[path]
        if path == "/authorize":
            return 200, {"Content-Type": "text/html"}, self._page_to_sign_in(dict(parse_qsl(query))).encode()
        bodies = {"/.well-known/openid-configuration": self.metadata, "/keys": self.key_set()}
        body = bodies.get(path)
        return (404, {}, b"") if body is None else (200, {}, json.dumps(body).encode())

    def _note_audience(self, asked: str | None) -> None:
        self.audience = (asked or f"{self.url}/userinfo") if self.wants_to_be_asked_for_audience else AUDIENCE

    def _page_to_sign_in(self, asked: dict[str, str]) -> str:
        """The page with the link that leads back with a code."""
        assert {"code", "S256"} == {asked["response_type"], asked["code_challenge_method"]}
        self._note_audience(asked.get("audience"))
        code = secrets.token_urlsafe()
        self.begun[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.url}
        link = f"{asked['redirect_uri']}?{urlencode(back)}".replace("&", "&amp;")
        return f'<!doctype html><html lang="en"><title>Issuer</title><a href="{link}">I am who I say</a></html>'

    def _tokens_for_code(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        asked = self.begun.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "no such code"}
        status, tokens = self._tokens(dict(self.person))
        own = {"aud": CONSOLE_CLIENT_ID, "nonce": self.nonce or asked["nonce"], "roles": None}
        return status, tokens | {"id_token": self.token(**(self.person | own))}

    def _tokens(self, claims: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        refresh = secrets.token_urlsafe()
        self.granted[refresh] = claims
        tokens = {"access_token": self.token(**claims), "token_type": "Bearer", "expires_in": self.seconds}
        return 200, tokens | {"refresh_token": refresh}

    def confirm(self, user_code: str, **changes: Any) -> None:
        """Confirm a code as somebody with these claims, as a person does in a browser."""
        self.granted[self.waiting.pop(user_code)] = changes

    def answer_to_form(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to a POST: RFC 8628, sections 3.2 and 3.5, and RFC 6749, section 6."""
        self.asked[path] += 1
        if form.get("client_id") not in (CLIENT_ID, CONSOLE_CLIENT_ID):
            return 400, {"error": "invalid_client"}
        if form["client_id"] == CONSOLE_CLIENT_ID and form.get("client_secret") != self.console_secret:
            return 401, {"error": "invalid_client"}
        if path == "/revoke":
            self.granted.pop(form["token"], None)
            return 200, {}
        if form.get("grant_type") == "authorization_code":
            return self._tokens_for_code(form)
        if path == "/device":
            self._note_audience(form.get("audience"))
            user_code = secrets.token_hex(4)
            device_code = secrets.token_urlsafe()
            self.waiting[user_code] = device_code
            codes = {"device_code": device_code, "user_code": user_code, "verification_uri": f"{self.url}/confirm"}
            return 200, codes | {"expires_in": 600, "interval": 1}
        secret = form["device_code"] if form["grant_type"] == _DEVICE_GRANT else form["refresh_token"]
        if secret in self.waiting.values():
            return 400, {"error": "authorization_pending"}
        if secret not in self.granted:
            return 400, {"error": "invalid_grant"}
        return self._tokens(self.granted.pop(secret))


def client_of(authorization: str | None) -> dict[str, str]:
    """The client that an ``Authorization: Basic`` header names (RFC 6749, section 2.3.1)."""
    if authorization is None:
        return {}
    client_id, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret)}


def public_jwk(key: PrivateKey) -> dict[str, Any]:
    """The public key as a JWK."""
    public: Any = key.public_key()
    algorithm: Any
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = RSAAlgorithm
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ECAlgorithm
    else:
        algorithm = OKPAlgorithm
    found: dict[str, Any] = algorithm.to_jwk(public, as_dict=True)
    found.pop("key_ops", None)
    return found


@contextmanager
def serving_issuer() -> Iterator[SmallIssuer]:
    """An issuer that answers until the block ends."""
    made: list[SmallIssuer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = made[0].answer(self.path)
            self._send(status, headers, body)

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(sent).items()} | client_of(self.headers["Authorization"])
            status, body = made[0].answer_to_form(self.path, form)
            self._send(status, {"Content-Type": "application/json"}, json.dumps(body).encode())

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.append(SmallIssuer(f"http://127.0.0.1:{server.server_address[1]}"))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made[0]
        finally:
            server.shutdown()
            thread.join()
