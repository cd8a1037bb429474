"""Access tokens: who they name, and what of a wrong one is told."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedface_control.auth.access_tokens import ALGORITHMS, LEEWAY_SECONDS, AccessTokens
from fedface_control.auth.errors import BadCredentialsError
from fedface_control.auth.issuer import Issuer
from fedface_control.auth.principal import Principal
from fedface_core.domain.role import Role
from support.oidc_issuer import AUDIENCE, SmallIssuer, serving_issuer


@pytest.fixture(scope="module")
def small() -> Iterator[SmallIssuer]:
    with serving_issuer() as made:
        yield made


@pytest.fixture(scope="module")
def tokens(small: SmallIssuer) -> AccessTokens:
    return AccessTokens(Issuer(small.url), AUDIENCE, "roles")


@pytest.mark.parametrize(("key_id", "algorithm"), [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("ed", "EdDSA")])
def test_an_honest_token_of_each_algorithm(tokens: AccessTokens, small: SmallIssuer, key_id: str, algorithm: str) -> None:
    assert tokens.principal(small.token(key_id, algorithm=algorithm)) == Principal("oidc:ann", frozenset({Role.VIEWER}))


ROLES: dict[str, tuple[str, dict[str, Any], set[Role]]] = {
    "a list": ("roles", {"roles": ["operator", "uploader", "baker"]}, {Role.OPERATOR, Role.UPLOADER}),
    "a text": ("roles", {"roles": "operator viewer"}, {Role.OPERATOR, Role.VIEWER}),
    "scopes": ("roles", {"roles": None, "scope": "openid admin"}, {Role.ADMIN}),
    "scp": ("roles", {"roles": None, "scp": ["metrics"]}, {Role.METRICS}),
    "a path": ("realm_access.roles", {"realm_access": {"roles": ["admin"]}, "roles": None}, {Role.ADMIN}),
    "a name with dots": ("https://example.org/roles", {"https://example.org/roles": ["admin"], "roles": None}, {Role.ADMIN}),
    "nothing": ("roles", {"roles": None}, set()),
    "a claim that is no text": ("roles", {"roles": {"admin": True}}, set()),
    "a path that ends early": ("roles.admin", {"roles": ["admin"]}, set()),
    "texts among others": ("roles", {"roles": [7, None, "viewer", ["admin"]]}, {Role.VIEWER}),
    "no part of a word": ("roles", {"roles": "superadmin admins"}, set()),
}


@pytest.mark.parametrize("case", ROLES)
def test_roles_are_those_of_the_claim_and_of_the_scopes(small: SmallIssuer, tokens: AccessTokens, case: str) -> None:
    claim, changes, roles = ROLES[case]
    principal = AccessTokens(tokens.issuer, AUDIENCE, claim).principal(small.token(**changes))
    assert principal.roles == roles


def test_clocks_may_differ_a_little(tokens: AccessTokens, small: SmallIssuer) -> None:
    now = int(time.time())
    a_little = LEEWAY_SECONDS - 10
    assert tokens.principal(small.token(exp=now - a_little)).actor == "oidc:ann"
    assert tokens.principal(small.token(nbf=now + a_little, iat=now + a_little)).actor == "oidc:ann"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": 1}, "has expired"),
    "not yet": ({"nbf": 2**33}, "not valid yet"),
    "of another issuer": ({"iss": "https://other.example"}, "of another issuer"),
    "for another audience": ({"aud": "another"}, "for another audience"),
    "for other audiences": ({"aud": ["another", "third"]}, "for another audience"),
    "without an end": ({"exp": None}, "no claim exp"),
    "without an issuer": ({"iss": None}, "no claim iss"),
    "without an audience": ({"aud": None}, "no claim aud"),
    "without a subject": ({"sub": None}, "no claim sub"),
    "an empty subject": ({"sub": ""}, "subject"),
    "a subject without end": ({"sub": "a" * 256}, "subject"),
    "a subject of two lines": ({"sub": "ann\noidc:ben"}, "subject"),
    "an end beyond numbers": ({"exp": float("inf")}, "no JWT that can be checked"),
    "an end that is a list": ({"exp": [1]}, "no JWT that can be checked"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_token_is_refused_with_the_reason(small: SmallIssuer, tokens: AccessTokens, case: str) -> None:
    changes, message = REFUSED[case]
    token = small.token(**changes)
    with pytest.raises(BadCredentialsError, match=message) as refused:
        tokens.principal(token)
    assert token not in str(refused.value)


JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)
HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from([*ALGORITHMS, "none", "HS256"]) | JSON},
    optional={"kid": st.sampled_from(["rsa", "ec"]) | JSON, "typ": JSON, "crit": JSON, "b64": JSON},
)


def in_base64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@settings(max_examples=50)
@given(st.text(max_size=50) | HEADERS.map(lambda header: f"{in_base64(header)}.{in_base64({'sub': 'ann'})}.AAAA"))
def test_no_text_is_anything_but_refused(tokens: AccessTokens, text: str) -> None:
    with pytest.raises(BadCredentialsError):
        tokens.principal(text)


@pytest.mark.parametrize("part", [0, 1])
def test_json_that_is_nested_without_end_is_refused(tokens: AccessTokens, small: SmallIssuer, part: int) -> None:
    parts = small.token().split(".")
    parts[part] = base64.urlsafe_b64encode(b"[" * 6000).decode()
    with pytest.raises(BadCredentialsError):
        tokens.principal(".".join(parts))
