"""Who asks: a token of the environment, or a session whose tokens are renewed in time."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from fedface_cli import sessions, token_auth
from fedface_cli.api_client import ControlApi
from fedface_cli.sessions import Session, keep_session, kept_session
from fedface_cli.token_auth import TokenAuth, auth_for
from fedface_core.domain.errors import FedFaceError, InvalidInputError
from support.command_line import Invoke
from support.fake_sign_in import CLIENT_ID, KEY, FakeSignIn

SECRET = "s3cr3t-token"


def session(people: FakeSignIn, access: str, *, refresh: str | None = "refresh-1", seconds: float = 300) -> Session:
    return Session(
        api_url=people.url,
        issuer=people.url,
        client_id=CLIENT_ID,
        token_endpoint=f"{people.url}/token",
        access_token=SecretStr(access),
        refresh_token=None if refresh is None else SecretStr(refresh),
        expires_at=time.time() + seconds,
    )


def test_a_token_of_the_environment_is_sent(fedface: Invoke, people: FakeSignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    people.believed[KEY] = ("key:nightly", ["viewer"])
    monkeypatch.setenv("FEDFACE_TOKEN", KEY)
    assert fedface("whoami")[:2] == (0, f"key:nightly at {people.url}; roles: viewer\n")


def test_a_token_in_a_file_is_sent(
    fedface: Invoke, people: FakeSignIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.believed[KEY] = ("key:nightly", ["viewer"])
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("FEDFACE_TOKEN_FILE", str(tmp_path / "key"))
    assert fedface("whoami")[0] == 0


def test_two_ways_of_showing_who_asks_are_one_too_many(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("FEDFACE_TOKEN", SECRET)
    with pytest.raises(InvalidInputError, match="one of them only") as told:
        auth_for(httpx.URL("https://user:pw~1@host"), None)
    assert "pw~1" not in str(told.value)
    monkeypatch.delenv("FEDFACE_TOKEN")
    assert auth_for(httpx.URL("https://user:pw~1@host"), None) is None


def test_no_repr_shows_a_token(people: FakeSignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_session(session(people, SECRET, refresh=f"{SECRET}-2"))
    kept = kept_session(people.url)
    auth = auth_for(httpx.URL(people.url), None)
    monkeypatch.setenv("FEDFACE_TOKEN", SECRET)
    given = auth_for(httpx.URL(people.url), None)
    assert SECRET not in f"{kept!r}{kept}{auth!r}{given!r}{vars(auth)!r}{vars(given)!r}"


def test_a_token_that_ends_soon_is_renewed_before_it_is_sent(fedface: Invoke, people: FakeSignIn) -> None:
    keep_session(session(people, "old", seconds=5))
    people.token_answers = [people.tokens("new", "refresh-2")]
    assert fedface("whoami")[0] == 0
    assert people.forms == [{"grant_type": "refresh_token", "refresh_token": "refresh-1", "client_id": CLIENT_ID}]
    kept = kept_session(people.url)
    assert kept is not None
    assert kept.refresh_token is not None
    assert (kept.access_token.get_secret_value(), kept.refresh_token.get_secret_value()) == ("new", "refresh-2")


def test_a_token_that_the_api_refuses_is_renewed_once(fedface: Invoke, people: FakeSignIn) -> None:
    keep_session(session(people, "revoked"))
    people.token_answers = [people.tokens("new")]
    assert fedface("whoami")[0] == 0
    kept = kept_session(people.url)
    assert kept is not None
    assert kept.refresh_token == SecretStr("refresh-1"), "an issuer that sends no new one means the old one"


def test_a_session_that_has_ended_says_so(fedface: Invoke, people: FakeSignIn) -> None:
    keep_session(session(people, "old", seconds=5))
    people.token_answers = [(400, {"error": "invalid_grant", "error_description": "refresh-1 was used"})]
    code, _, err = fedface("whoami")
    assert (code, "refresh-1" in err) == (1, False)
    assert err == "error: your session has ended (invalid_grant: *** was used): sign in again with `fedface login`\n"


def test_of_two_commands_that_renew_at_once_the_slower_takes_the_others_token(
    fedface: Invoke, people: FakeSignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_session(session(people, "old", seconds=5))
    people.believed["of-the-other"] = ("oidc:ada", ["viewer"])
    people.token_answers = [(400, {"error": "invalid_grant"})]
    other = session(people, "of-the-other")
    kept = [sessions.kept_session(people.url), other]
    monkeypatch.setattr(token_auth, "kept_session", lambda _url: kept.pop(0))
    assert fedface("whoami")[:2] == (0, f"oidc:ada at {people.url}; roles: viewer\n")


def test_a_token_is_not_sent_elsewhere_by_a_redirect() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(308, headers={"Location": "https://elsewhere.example/v1/me"})

    with pytest.raises(FedFaceError, match="answered 308"):
        ControlApi("https://control", httpx.MockTransport(answer), auth=TokenAuth(SecretStr(SECRET), "")).me()
    assert asked == ["https://control/v1/me"]
