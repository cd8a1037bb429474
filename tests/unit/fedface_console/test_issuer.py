from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jwt
import pytest
from pydantic import SecretStr

from fedface_console import issuer as module
from fedface_console.errors import IssuerAwayError, NotSignedInError, SignedOutError
from fedface_console.issuer import MOST_BYTES, OidcClient, Registration, SignedInTokens, issuer_connection

URL = "https://id.example.org/realms/faces"
ENDPOINTS: dict[str, Any] = {
    "issuer": URL,
    "authorization_endpoint": f"{URL}/auth",
    "token_endpoint": f"{URL}/token",
    "revocation_endpoint": f"{URL}/revoke",
    "end_session_endpoint": f"{URL}/logout",
}
REFRESH = SecretStr("refresh-secret")
Answer = Callable[[httpx.Request], httpx.Response]


def answered(body: Any, status: int = 200) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, stream=httpx.ByteStream(content))


class Issuer:
    """Answers a GET with its discovery document, and a POST with ``said``; it keeps what it was asked."""

    def __init__(self, said: httpx.Response | None = None, **changes: Any) -> None:
        self.said = said
        self.document = {name: value for name, value in (ENDPOINTS | changes).items() if value is not None}
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.method == "GET":
            return answered(self.document)
        assert self.said is not None
        return self.said

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.asked[-1].content.decode()))


def client_of(answer: Answer, **changes: Any) -> OidcClient:
    fields: dict[str, Any] = {"client_id": "fedface console", "redirect_uri": "https://faces.example.org/done"}
    registration = Registration(**(fields | changes))
    return OidcClient(httpx.AsyncClient(transport=httpx.MockTransport(answer)), registration)


def id_token(**changes: Any) -> str:
    claims = {"iss": URL, "aud": "fedface console", "sub": "ann", "exp": int(time.time()) + 60, "nonce": "n"} | changes
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, "k" * 32, algorithm="HS256")


def tokens_with(**changes: Any) -> httpx.Response:
    body = {"access_token": "access", "refresh_token": "refresh", "id_token": id_token(), "expires_in": 300}
    return answered({name: value for name, value in (body | changes).items() if value is not None})


def exchanged(answer: Answer, **changes: Any) -> SignedInTokens:
    return asyncio.run(client_of(answer, **changes).exchanged(URL, "the-code", "n", "the-verifier"))


def test_a_code_is_exchanged_for_tokens_with_the_proof_of_who_has_begun() -> None:
    issuer = Issuer(tokens_with())
    tokens = exchanged(issuer)
    assert tokens.access_token.get_secret_value() == "access"
    assert issuer.form == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": "https://faces.example.org/done",
        "code_verifier": "the-verifier",
        "client_id": "fedface console",
    }


def test_a_secret_is_shown_as_the_issuer_wants_it() -> None:
    issuer = Issuer(tokens_with())
    exchanged(issuer, client_secret=SecretStr("s e:cret"))
    header = issuer.asked[-1].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(header).decode() == "fedface+console:s+e%3Acret"
    assert "client_secret" not in issuer.form
    issuer = Issuer(tokens_with(), token_endpoint_auth_methods_supported=["client_secret_post"])
    exchanged(issuer, client_secret=SecretStr("s e:cret"))
    assert "authorization" not in issuer.asked[-1].headers
    assert issuer.form["client_secret"] == "s e:cret"


def test_the_discovery_document_is_asked_for_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer()
    client = client_of(issuer)
    asyncio.run(client.endpoints(URL))
    asyncio.run(client.endpoints(URL))
    assert [str(one.url) for one in issuer.asked] == [f"{URL}/.well-known/openid-configuration"]
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    asyncio.run(client.endpoints(URL))
    assert len(issuer.asked) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuer": "https://evil.example"}, "is of https://evil.example"),
        ({"token_endpoint": "http://id.example.org/token"}, "tokens travel by HTTPS only"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "tokens travel by HTTPS only"),
        ({"end_session_endpoint": "https://id.example.org:port"}, "which is no URL"),
        ({"token_endpoint": None}, "wrong: token_endpoint"),
        ({"authorization_endpoint": "https://x/" + "a" * 2000}, "wrong: authorization_endpoint"),
    ],
)
def test_a_wrong_discovery_document_is_not_used(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(IssuerAwayError, match=why):
        asyncio.run(client_of(Issuer(**changes)).endpoints(URL))


def test_an_issuer_without_tls_is_not_asked() -> None:
    issuer = Issuer()
    with pytest.raises(IssuerAwayError, match="tokens travel by HTTPS only"):
        asyncio.run(client_of(issuer).endpoints("http://id.example.org"))
    assert issuer.asked == []


@pytest.mark.parametrize("body", [b"x" * (MOST_BYTES + 1), b"<html>", b"[]", b"\xff"])
def test_an_answer_that_is_too_long_or_none_is_said_plainly(body: bytes) -> None:
    with pytest.raises(IssuerAwayError, match=r"more than 262,144 bytes|not answer as OpenID Connect says"):
        asyncio.run(client_of(lambda _: answered(body)).endpoints(URL))


def test_an_answer_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte may come in time, and the whole of it never."""

    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0.01)

    monkeypatch.setattr(module, "ISSUER_SECONDS", 0.05)
    with pytest.raises(IssuerAwayError, match="does not answer"):
        asyncio.run(client_of(lambda _: httpx.Response(200, stream=Dripping())).endpoints(URL))


def test_an_issuer_leads_the_console_nowhere_else() -> None:
    def redirecting(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "id.example.org"
        return httpx.Response(302, headers={"location": "https://evil.example"}, stream=httpx.ByteStream(b""))

    with pytest.raises(IssuerAwayError, match="it answered 302"):
        asyncio.run(client_of(redirecting).endpoints(URL))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nonce": "of another sign-in"}, "another nonce"),
        ({"nonce": None}, "MissingRequiredClaimError"),
        ({"aud": "another client"}, "InvalidAudienceError"),
        ({"iss": "https://evil.example"}, "InvalidIssuerError"),
        ({"exp": 1}, "ExpiredSignatureError"),
        ({"aud": ["fedface console", "x"], "azp": "x"}, "another client"),
    ],
)
def test_an_id_token_of_something_else_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(NotSignedInError, match=why):
        exchanged(Issuer(tokens_with(id_token=id_token(**changes))))


def test_without_an_id_token_nobody_is_signed_in() -> None:
    for wrong in (None, "no.jwt.at-all"):
        with pytest.raises(NotSignedInError, match="is not of this sign-in"):
            exchanged(Issuer(tokens_with(id_token=wrong)))


@pytest.mark.parametrize("token", ["", "two words", "x" * 8193, "é", "a\nb", 5])
def test_what_is_no_token_is_refused_and_not_quoted(token: Any) -> None:
    with pytest.raises(IssuerAwayError, match="wrong: access_token") as refused:
        exchanged(Issuer(tokens_with(access_token=token)))
    assert not token or str(token) not in str(refused.value)


def test_why_the_issuer_says_no_is_told_without_what_is_secret() -> None:
    error = {"error": "invalid_grant", "error_description": "no the-code\nwith the-verifier"}
    with pytest.raises(NotSignedInError) as refused:
        exchanged(Issuer(answered(error, 400)))
    assert "invalid_grant: no ***\\nwith ***" in str(refused.value)


def test_tokens_are_renewed_and_a_refresh_token_that_is_not_replaced_stays() -> None:
    issuer = Issuer(tokens_with(refresh_token=None, id_token=None))
    tokens = asyncio.run(client_of(issuer).renewed(URL, REFRESH))
    assert tokens.refresh_token == REFRESH
    assert issuer.form["refresh_token"] == "refresh-secret"


def test_a_session_that_has_ended_is_told_from_an_issuer_that_is_away() -> None:
    with pytest.raises(SignedOutError, match=r"has ended \(invalid_grant\)"):
        asyncio.run(client_of(Issuer(answered({"error": "invalid_grant"}, 400))).renewed(URL, REFRESH))
    for status in (500, 503, 429):
        with pytest.raises(IssuerAwayError, match=f"answered {status}"):
            asyncio.run(client_of(Issuer(answered({}, status))).renewed(URL, REFRESH))


def test_a_refresh_token_is_revoked_where_the_issuer_can() -> None:
    issuer = Issuer(answered(b""))
    asyncio.run(client_of(issuer).revoke(URL, REFRESH))
    assert issuer.form == {
        "token": "refresh-secret",
        "token_type_hint": "refresh_token",
        "client_id": "fedface console",
    }
    issuer = Issuer(revocation_endpoint=None)
    asyncio.run(client_of(issuer).revoke(URL, REFRESH))
    assert len(issuer.asked) == 1
    with pytest.raises(IssuerAwayError, match="forgets no token"):
        asyncio.run(client_of(Issuer(answered({}, 400))).revoke(URL, REFRESH))


def test_people_sign_out_at_the_issuer_itself_if_it_has_a_page_for_that() -> None:
    assert asyncio.run(client_of(Issuer()).sign_out_url(URL)) == f"{URL}/logout?client_id=fedface+console"
    assert asyncio.run(client_of(Issuer(end_session_endpoint=None)).sign_out_url(URL)) is None


def test_the_connection_uses_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    connection = issuer_connection()
    assert not connection.trust_env
    assert not connection.follow_redirects
