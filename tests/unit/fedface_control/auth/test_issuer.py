"""What is fetched of the issuer, how often, and what is believed while it is away. The issuer is a real one over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedface_control.auth import issuer as issuer_module
from fedface_control.auth.errors import IssuerUnavailableError
from fedface_control.auth.issuer import Issuer, Pace
from fedface_core.adapters.memory import ManualClock
from support.oidc_issuer import SmallIssuer, serving_issuer

METADATA = "/.well-known/openid-configuration"
PACE = Pace(fresh_seconds=600, usable_seconds=3600, unknown_seconds=30, failed_seconds=10)


@pytest.fixture(scope="module")
def serving() -> Iterator[SmallIssuer]:
    with serving_issuer() as small:
        yield small


@pytest.fixture
def small(serving: SmallIssuer) -> SmallIssuer:
    serving.__init__(serving.url)  # type: ignore[misc]  # as new
    return serving


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def issuer(small: SmallIssuer, clock: ManualClock) -> Issuer:
    return Issuer(small.url, pace=PACE, monotonic=clock.monotonic)


def test_keys_are_fetched_once_and_kept(issuer: Issuer, small: SmallIssuer) -> None:
    for _ in range(5):
        assert issuer.key("rsa", "RS256") is not None
        assert issuer.key("ec", "ES256") is not None
    assert small.asked == {METADATA: 1, "/keys": 1}


def test_a_key_is_for_its_own_algorithms(issuer: Issuer) -> None:
    assert issuer.key("rsa", "PS256") is not None  # the issuer says of no key which of the two it is for
    assert issuer.key("rsa", "ES256") is None
    assert issuer.key("ec", "RS256") is None


def test_without_an_id_the_only_key_of_its_kind_is_taken(issuer: Issuer) -> None:
    assert issuer.key(None, "EdDSA") is not None


def test_without_an_id_none_of_two_keys_is_taken(issuer: Issuer, small: SmallIssuer) -> None:
    small.keys["rsa 2"] = small.keys["rsa"]
    small.published.append("rsa 2")
    assert issuer.key(None, "RS256") is None
    assert issuer.key("rsa 2", "RS256") is not None


def test_unknown_ids_let_the_issuer_be_asked_once_in_a_while(issuer: Issuer, small: SmallIssuer, clock: ManualClock) -> None:
    assert issuer.key("rsa", "RS256") is not None
    for number in range(50):
        assert issuer.key(f"invented {number}", "RS256") is None
    assert small.asked["/keys"] == 1
    clock.advance(PACE.unknown_seconds)
    for number in range(50):
        assert issuer.key(f"invented {number}", "RS256") is None
    assert small.asked["/keys"] == 2


def test_a_new_key_is_found_after_a_while(issuer: Issuer, small: SmallIssuer, clock: ManualClock) -> None:
    small.published = ["rsa"]
    assert issuer.key("ec", "ES256") is None
    small.published = ["rsa", "ec"]
    clock.advance(PACE.unknown_seconds)
    assert issuer.key("ec", "ES256") is not None


def test_a_key_that_the_issuer_takes_back_ends(issuer: Issuer, small: SmallIssuer, clock: ManualClock) -> None:
    assert issuer.key("rsa", "RS256") is not None
    small.published = ["ec"]
    clock.advance(PACE.fresh_seconds)
    assert issuer.key("rsa", "RS256") is None


def test_keys_are_believed_for_a_while_if_the_issuer_is_away(issuer: Issuer, small: SmallIssuer, clock: ManualClock) -> None:
    assert issuer.key("rsa", "RS256") is not None
    small.answers[METADATA] = (503, {}, b"")
    clock.advance(PACE.usable_seconds - 1)
    assert issuer.key("rsa", "RS256") is not None
    clock.advance(1)
    with pytest.raises(IssuerUnavailableError, match="answers with status 503"):
        issuer.key("rsa", "RS256")


def test_an_issuer_that_fails_is_left_alone_for_a_while(issuer: Issuer, small: SmallIssuer, clock: ManualClock) -> None:
    small.answers["/keys"] = (500, {}, b"")
    for _ in range(5):
        with pytest.raises(IssuerUnavailableError, match="answers with status 500"):
            issuer.published()
    assert small.asked["/keys"] == 1
    del small.answers["/keys"]
    clock.advance(PACE.failed_seconds)
    assert issuer.key("rsa", "RS256") is not None


def test_many_at_once_ask_the_issuer_once_and_nobody_waits(issuer: Issuer, small: SmallIssuer, clock: ManualClock) -> None:
    assert issuer.key("rsa", "RS256") is not None
    clock.advance(PACE.fresh_seconds)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: issuer.key("rsa", "RS256"), range(16)))
    assert None not in found
    assert small.asked["/keys"] == 2


WRONG = {
    "another issuer": (METADATA, b'{"issuer": "https://other", "jwks_uri": "https://other/keys"}', "it calls itself 'https"),
    "no metadata": (METADATA, b"<html>", "Invalid JSON"),
    "no place of keys": (METADATA, b'{"issuer": "x"}', "jwks_uri: Field required"),
    "no keys": ("/keys", b'{"keys": {}}', "keys: Input should be a valid array"),
    "nested without end": ("/keys", b"[" * 100_000, "Invalid JSON"),
    "too many": ("/keys", json.dumps({"keys": [{}] * 65}).encode(), "at most 64 items"),
    "too long": ("/keys", b" " * (256 * 2**10 + 1), "more than 262144 bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_a_problem_of_the_issuer(issuer: Issuer, small: SmallIssuer, case: str) -> None:
    path, body, message = WRONG[case]
    small.answers[path] = (200, {}, body)
    with pytest.raises(IssuerUnavailableError, match=message):
        issuer.published()


def test_no_redirect_is_followed(issuer: Issuer, small: SmallIssuer) -> None:
    small.answers["/keys"] = (302, {"Location": f"{small.url}/elsewhere"}, b"")
    with pytest.raises(IssuerUnavailableError, match="status 302"):
        issuer.published()
    assert small.asked["/elsewhere"] == 0


def test_keys_are_not_fetched_with_another_scheme(issuer: Issuer, small: SmallIssuer) -> None:
    small.metadata["jwks_uri"] = "ftp://127.0.0.1/keys"
    with pytest.raises(IssuerUnavailableError, match="another scheme"):
        issuer.published()


def test_a_slow_issuer_is_not_waited_for(issuer: Issuer, small: SmallIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_module, "FETCH_SECONDS", -1.0)  # what has come, came too late
    with pytest.raises(IssuerUnavailableError, match=r"does not answer within"):
        issuer.published()


def test_nobody_is_there() -> None:
    with pytest.raises(IssuerUnavailableError, match="cannot be used"):
        Issuer("http://127.0.0.1:1").published()


def test_a_damaged_key_leaves_the_others(issuer: Issuer, small: SmallIssuer) -> None:
    keys = [
        {"kid": "rsa 2", "kty": "RSA", "n": "!", "e": "AQAB"},
        {"kid": "none"},
        {"kid": 7, "kty": ["RSA"]},
        {"kid": "rsa 3", "kty": "RSA", "n": None, "e": 5},
        *small.key_set()["keys"],
    ]
    small.answers["/keys"] = (200, {}, json.dumps({"keys": keys}).encode())
    assert [issuer.key(key_id, "RS256") for key_id in ("rsa 2", "none", "7", "rsa 3")] == [None] * 4
    assert issuer.key("rsa", "RS256") is not None


@pytest.mark.parametrize("change", [{"use": "enc"}, {"alg": "RS512"}, {"key_ops": ["encrypt"]}])
def test_a_key_for_something_else_is_not_taken(issuer: Issuer, small: SmallIssuer, change: dict[str, object]) -> None:
    key = small.key_set()["keys"][0] | change
    small.answers["/keys"] = (200, {}, json.dumps({"keys": [key]}).encode())
    assert issuer.key("rsa", "RS256") is None
