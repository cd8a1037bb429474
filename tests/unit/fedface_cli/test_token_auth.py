"""Who asks: a token of the environment, or a session whose tokens are renewed in time."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from fedface_cli import sessions
from fedface_cli.sessions import Session, keep_session, kept_session
from fedface_cli.token_auth import auth_for, token_of_environment
from fedface_core.domain.errors import InvalidInputError
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


@pytest.mark.parametrize("token", [f"{SECRET} two words", f"{SECRET}\x1b", f"{SECRET}é", f"{SECRET}\n\nmore", SECRET * 2000])
def test_what_cannot_be_a_token_is_refused_and_not_quoted(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("FEDFACE_TOKEN", token)
    code, out, err = fedface("run", "list")
    assert (code, SECRET in out + err) == (2, False)
    assert err.startswith("error: FEDFACE_TOKEN is no token: that is one word")


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"FEDFACE_TOKEN": SECRET, "FEDFACE_TOKEN_FILE": "/x"}, "are both set"),
        ({"FEDFACE_TOKEN_FILE": "/nonexistent"}, "give the path of a file"),
        ({"FEDFACE_TOKEN_FILE": "/dev/zero"}, "give the path of a file"),
    ],
)
def test_a_wrong_file_is_told(environ: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as told:
        token_of_environment(environ)
    assert SECRET not in str(told.value)


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
    from fedface_cli import token_auth

    monkeypatch.setattr(token_auth, "kept_session", lambda _url: kept.pop(0))
    assert fedface("whoami")[:2] == (0, f"oidc:ada at {people.url}; roles: viewer\n")


def test_a_token_is_not_sent_elsewhere_by_a_redirect(fedface: Invoke, people: FakeSignIn) -> None:
    from fedface_cli.api_client import ControlApi
    from fedface_cli.token_auth import TokenAuth
    from fedface_core.domain.errors import FedFaceError

    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(308, headers={"Location": "https://elsewhere.example/v1/me"})

    with pytest.raises(FedFaceError, match="answered 308"):
        ControlApi("https://control", httpx.MockTransport(answer), auth=TokenAuth(SecretStr(SECRET), "")).me()
    assert asked == ["https://control/v1/me"]
