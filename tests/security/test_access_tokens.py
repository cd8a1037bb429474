"""Forged access tokens, against the API with a real issuer over HTTP. None lets anybody in, none has us ask elsewhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_control.auth.access_tokens import AccessTokens
from fedface_control.auth.issuer import Issuer, Pace
from support.control_rounds import Control
from support.oidc_issuer import AUDIENCE, SmallIssuer, public_jwk, serving_issuer
from support.signing_in import bearer, closed_sign_in

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)


@pytest.fixture(scope="module")
def small() -> Iterator[SmallIssuer]:
    with serving_issuer() as made:
        made.keys["weak"] = ("RS256", WEAK)
        made.published.append("weak")
        yield made


@pytest.fixture(scope="module")
def attacker() -> Iterator[SmallIssuer]:
    """An issuer of the attacker's own, whose tokens are all in order but for who signs them."""
    with serving_issuer() as made:
        made.keys["rsa"] = ("RS256", STRANGER)
        yield made


@pytest.fixture(scope="module")
def api(small: SmallIssuer) -> Iterator[TestClient]:
    tokens = AccessTokens(Issuer(small.url), AUDIENCE, "roles")
    app = create_app(Control.empty().ports, CollectorRegistry(), closed_sign_in(tokens=tokens, client_id="cli"))
    with TestClient(app) as client:
        yield client


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, claims, signature = token.split(".")
    return _json(header), _json(claims), signature


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def unsigned(small: SmallIssuer, algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(small.claims(roles=['admin']))}."


def signed_with_the_public_key(small: SmallIssuer, secret: bytes) -> str:
    """HS256, whose secret is what everybody knows: the issuer's public key."""
    text = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa'})}.{part(small.claims(roles=['admin']))}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def as_pem(small: SmallIssuer) -> bytes:
    public: Any = small.keys["rsa"][1].public_key()
    pem: bytes = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


def by_a_stranger(small: SmallIssuer, headers: dict[str, Any]) -> str:
    return jwt.encode(small.claims(roles=["admin"]), STRANGER, algorithm="RS256", headers=headers)


def by_a_weak_key(small: SmallIssuer) -> str:
    with warnings.catch_warnings(action="ignore"):  # PyJWT says it too
        return small.token("weak")


def with_other_claims(small: SmallIssuer) -> str:
    header, claims, signature = small.token().split(".")
    return f"{header}.{part(_json(claims) | {'roles': ['admin']})}.{signature}"


def with_another_header(small: SmallIssuer, **changes: Any) -> str:
    header, claims, signature = small.token().split(".")
    return f"{part(_json(header) | changes)}.{claims}.{signature}"


FORGED: dict[str, Callable[[SmallIssuer, SmallIssuer], str]] = {
    "unsigned": lambda small, _: unsigned(small, "none"),
    "unsigned, in capitals": lambda small, _: unsigned(small, "None"),
    "unsigned, without a word": lambda small, _: unsigned(small, ""),
    "HS256 with the public key": lambda small, _: signed_with_the_public_key(small, as_pem(small)),
    "HS256 with nothing": lambda small, _: signed_with_the_public_key(small, b""),
    "a stranger's key under a published id": lambda small, _: by_a_stranger(small, {"kid": "rsa"}),
    "a stranger's key under an id of its own": lambda small, _: by_a_stranger(small, {"kid": "stranger"}),
    "a stranger's key without an id": lambda small, _: by_a_stranger(small, {}),
    "a stranger's key in the token": lambda small, _: by_a_stranger(small, {"kid": "x", "jwk": public_jwk(STRANGER)}),
    "keys at the attacker's": lambda small, other: by_a_stranger(small, {"kid": "rsa", "jku": f"{other.url}/keys"}),
    "certificates at the attacker's": lambda small, other: by_a_stranger(small, {"kid": "x", "x5u": f"{other.url}/x"}),
    "an id that is a path": lambda small, other: by_a_stranger(small, {"kid": f"../../{other.url}/keys"}),
    "an id without end": lambda small, _: by_a_stranger(small, {"kid": "k" * 3000}),
    "of the attacker's issuer": lambda _, other: other.token(roles=["admin"]),
    "of the attacker's issuer, in our issuer's name": lambda small, other: other.token(iss=small.url, roles=["admin"]),
    "our key under another published id": lambda small, _: small.token("ec", headers={"kid": "rsa"}),
    "other claims": lambda small, _: with_other_claims(small),
    "another algorithm of that key": lambda small, _: with_another_header(small, alg="PS256"),
    "an algorithm that is not allowed": lambda small, _: small.token("rsa", algorithm="RS512"),
    "no signature": lambda small, _: small.token().rpartition(".")[0] + ".",
    "a cut signature": lambda small, _: small.token()[:-20],
    "a weak key": lambda small, _: by_a_weak_key(small),
    "an unknown critical extension": lambda small, _: small.token(headers={"crit": ["x"], "x": 1}),
    "another type of token": lambda small, _: small.token(headers={"typ": "logout+jwt"}),
    "for another audience": lambda small, _: small.token(aud="another"),
    "for nobody": lambda small, _: small.token(aud=None),
    "expired": lambda small, _: small.token(exp=int(time.time()) - 60),
    "without an end": lambda small, _: small.token(exp=None),
    "of later": lambda small, _: small.token(nbf=int(time.time()) + 600),
    "too long": lambda small, _: small.token(more="x" * 9000),
    "encrypted": lambda small, _: f"{part({'alg': 'dir', 'enc': 'A256GCM'})}.aaaa.bbbb.cccc.dddd",
}


def test_an_honest_token_lets_its_holder_in(api: TestClient, small: SmallIssuer) -> None:
    answer = api.get("/v1/me", headers=bearer(small.token(roles=["operator"])))
    assert answer.json() == {"actor": "oidc:ann", "roles": ["operator", "viewer"], "sign_in": True}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_token_lets_nobody_in(api: TestClient, small: SmallIssuer, attacker: SmallIssuer, case: str) -> None:
    token = FORGED[case](small, attacker)
    before = attacker.asked.copy()
    with structlog.testing.capture_logs() as logs:
        answer = api.get("/v1/me", headers=bearer(token))
    assert (answer.status_code, answer.json()["title"]) == (401, "Not signed in")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert attacker.asked == before, "nothing is fetched from where a token says"
    told = f"{answer.text} {logs}"
    assert token not in told
    assert (token.rpartition(".")[2] or token) not in told


def test_invented_ids_do_not_have_the_issuer_asked_again_and_again(api: TestClient, small: SmallIssuer) -> None:
    before = small.asked["/keys"]
    for number in range(100):
        assert api.get("/v1/me", headers=bearer(by_a_stranger(small, {"kid": f"invented {number}"}))).status_code == 401
    assert small.asked["/keys"] <= before + 1


def test_an_issuer_that_is_away_is_a_503_that_says_when_to_come_again(small: SmallIssuer) -> None:
    tokens = AccessTokens(Issuer("http://127.0.0.1:1", pace=Pace(failed_seconds=60)), AUDIENCE, "roles")
    with TestClient(create_app(Control.empty().ports, CollectorRegistry(), closed_sign_in(tokens=tokens))) as api:
        for path in ("/v1/me", "/v1/sign-in"):
            answer = api.get(path, headers=bearer(small.token()))
            assert (answer.status_code, answer.json()["title"]) == (503, "Issuer unavailable")
            assert int(answer.headers["Retry-After"]) > 0


def test_how_people_sign_in_is_told_to_all(api: TestClient, small: SmallIssuer) -> None:
    assert api.get("/v1/sign-in").json() == {
        "open": False,
        "issuer": small.url,
        "client_id": "cli",
        "audience": None,
        "device_authorization": True,
    }
