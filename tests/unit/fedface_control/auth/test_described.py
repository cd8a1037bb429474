"""How the OpenAPI document of the API describes sign-in."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_control.auth.access_tokens import AccessTokens
from fedface_control.auth.issuer import Issuer
from support.open_sign_in import open_sign_in
from support.signing_in import client_of, closed_sign_in

ISSUER = "https://id.example.org/realms/faces"


@pytest.fixture(scope="module")
def with_issuer() -> dict[str, Any]:
    tokens = AccessTokens(Issuer(ISSUER), "fedface", "roles")
    described: dict[str, Any] = client_of(closed_sign_in(tokens=tokens)).get("/openapi.json").json()
    return described


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """Without an issuer."""
    found: dict[str, Any] = client_of(closed_sign_in()).get("/openapi.json").json()
    return found


def test_the_issuer_is_named(with_issuer: dict[str, Any]) -> None:
    scheme = with_issuer["components"]["securitySchemes"]["openIdConnect"]
    assert scheme["openIdConnectUrl"] == f"{ISSUER}/.well-known/openid-configuration"
    ways = with_issuer["paths"]["/v1/keys"]["get"]["security"]
    assert ways == [{"bearer": ["admin"]}, {"openIdConnect": ["admin"]}]


def test_without_an_issuer_there_is_one_scheme(described: dict[str, Any]) -> None:
    assert [*described["components"]["securitySchemes"]] == ["bearer"]
    assert described["paths"]["/v1/keys"]["get"]["security"] == [{"bearer": ["admin"]}]


def test_every_operation_that_is_not_open_describes_its_refusals(described: dict[str, Any]) -> None:
    open_to_all = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert "421" in answers
            assert ("415" in answers) == ("requestBody" in operation and method != "put")
            if "security" in operation:
                assert {"401", "403", "429"} <= answers.keys(), f"{method} {path}"
            else:
                open_to_all.append(path)
    assert sorted(open_to_all) == ["/healthz", "/readyz", "/v1/sign-in"]


def test_an_open_api_may_be_called_without_credentials() -> None:
    open_to_all = client_of(open_sign_in()).get("/openapi.json").json()
    assert open_to_all["paths"]["/v1/keys"]["get"]["security"] == [{}, {"bearer": ["admin"]}]
