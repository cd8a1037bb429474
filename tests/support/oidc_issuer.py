"""A small OIDC issuer over HTTP on a free port: metadata, a key set, tokens signed with its keys, and the device
authorization grant (RFC 8628), whose codes a test confirms in place of a person with a browser.

It can be told to publish other keys, to answer wrongly, or not at all.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "fedface-api"
CLIENT_ID = "fedface-cli"
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
            "scopes_supported": ["openid", "offline_access"],
        }
        self.seconds = 300
        """How long a token is good for."""
        self.waiting: dict[str, str] = {}
        """User code → device code, of the codes that nobody has confirmed."""
        self.granted: dict[str, dict[str, Any]] = {}
        """Device code or refresh token → the claims of the tokens that it brings, once."""
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: Counter[str] = Counter()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of an honest token; None takes one away."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + self.seconds, "roles": ["viewer"]}
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
        self.asked[path] += 1
        if path in self.answers:
            return self.answers[path]
        bodies = {"/.well-known/openid-configuration": self.metadata, "/keys": self.key_set()}
        body = bodies.get(path)
        return (404, {}, b"") if body is None else (200, {}, json.dumps(body).encode())

    def confirm(self, user_code: str, **changes: Any) -> None:
        """Confirm a code as somebody with these claims, as a person does in a browser."""
        self.granted[self.waiting.pop(user_code)] = changes

    def answer_to_form(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to a POST: RFC 8628, sections 3.2 and 3.5, and RFC 6749, section 6."""
        self.asked[path] += 1
        if form.get("client_id") != CLIENT_ID:
            return 400, {"error": "invalid_client"}
        if path == "/device":
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
        claims = self.granted.pop(secret)
        refresh = secrets.token_urlsafe()
        self.granted[refresh] = claims
        tokens = {"access_token": self.token(**claims), "token_type": "Bearer", "expires_in": self.seconds}
        return 200, tokens | {"refresh_token": refresh}


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
            form = {name: values[0] for name, values in parse_qs(sent).items()}
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
