"""What an issuer sends is bounded, and what is secret in it is never quoted."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from fedface_core.contracts.oidc import LONGEST_TOKEN, Tokens, refusal_in, told, wrong_fields


@pytest.mark.parametrize("token", ["", "two words", "line\n", "\xe9", "x" * (LONGEST_TOKEN + 1)])
def test_what_no_header_can_have_is_no_token(token: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Tokens.model_validate({"access_token": token, "expires_in": 0})
    assert wrong_fields(refused.value) == "access_token, expires_in"


def test_a_refresh_token_stays_until_it_is_replaced() -> None:
    old = SecretStr("old")
    assert Tokens.model_validate({"access_token": "a"}).or_refreshed_by(old).refresh_token == old
    replaced = Tokens.model_validate({"access_token": "a", "refresh_token": "new"}).or_refreshed_by(old)
    assert replaced.refresh_token == SecretStr("new")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "invalid_grant"}', "invalid_grant"),
        (b'{"error": "invalid_grant", "error_description": "no s3cr3t\\nhere"}', "invalid_grant: no ***\\nhere"),
        (b"<html>", "it answered 400"),
        (b'{"error": "%s"}' % (b"x" * 1000), "x" * 300),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_issuer_without_what_is_secret(body: bytes, said: str) -> None:
    assert told(refusal_in(body, 400), "s3cr3t") == said
