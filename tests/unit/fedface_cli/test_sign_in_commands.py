"""Signing in by a code, with what can go wrong on the way, and signing out."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from fedface_cli import issuer
from fedface_cli.api_client import ControlApi
from fedface_core.contracts.sign_in import WaysToSignIn
from support.command_line import Invoke
from support.fake_sign_in import CLIENT_ID, CODE, DEVICE_SECRET, PENDING, FakeSignIn

ACCESS = "access-token-of-ada"
REFRESH = "refresh-token-of-ada"


def kept_files(home: Path) -> list[Path]:
    return [path for path in (home / "state").rglob("*") if path.is_file()]


def test_login_shows_a_code_and_keeps_the_session_for_its_owner_alone(
    fedface: Invoke, people: FakeSignIn, home: Path
) -> None:
    people.token_answers = [PENDING, PENDING, people.tokens(ACCESS, REFRESH)]
    code, out, err = fedface("login")
    assert (code, err) == (0, f"open {people.url}/confirm in a browser, and confirm the code {CODE}\n")
    (kept,) = kept_files(home)
    assert out == f"signed in at {people.url} as oidc:ada; roles: operator\nthe session is kept in {kept}\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert people.forms[0] == {"client_id": CLIENT_ID, "scope": "openid offline_access"}
    assert {form["device_code"] for form in people.forms[1:]} == {DEVICE_SECRET}
    assert fedface("whoami")[:2] == (0, f"oidc:ada at {people.url}; roles: operator\n")


def test_login_in_json_is_one_document(fedface: Invoke, people: FakeSignIn) -> None:
    people.token_answers = [people.tokens(ACCESS)]
    code, out, err = fedface("login", "--json")
    assert (code, json.loads(err)["user_code"]) == (0, CODE)
    assert json.loads(out) | {"kept_in": ""} == {
        "api_url": people.url,
        "sign_in": True,
        "actor": "oidc:ada",
        "roles": ["operator"],
        "kept_in": "",
    }


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((400, {"error": "access_denied"}), "the sign-in was refused at the issuer; nothing is kept"),
        ((400, {"error": "expired_token"}), "nobody has confirmed the code in time: run `fedface login` again"),
        ((400, {"error": "invalid_grant", "error_description": "no \x1b[2J"}), r"invalid_grant: no \x1b[2J"),
        ((400, {"error": "x", "error_description": f"{DEVICE_SECRET} is unknown"}), "x: *** is unknown"),
        ((500, {}), "it answered 500"),
        ((200, {"access_token": ""}), "does not answer as OpenID Connect says (wrong: access_token)"),
        ((200, {"access_token": f"{ACCESS} \r\nX: y"}), "does not answer as OpenID Connect says (wrong: access_token)"),
        ((200, {"access_token": 7, "refresh_token": REFRESH}), "does not answer as OpenID Connect says"),
    ],
)
def test_a_login_that_fails_says_why_and_keeps_nothing(
    fedface: Invoke, people: FakeSignIn, home: Path, answer: tuple[int, dict[str, Any]], says: str
) -> None:
    people.token_answers = [PENDING, answer]
    code, out, err = fedface("login")
    assert (code, out) == (1, "")
    assert says in err
    assert not {ACCESS, REFRESH, DEVICE_SECRET} & set(err.split())
    assert kept_files(home) == []


def test_a_token_that_the_api_does_not_believe_is_not_kept(fedface: Invoke, people: FakeSignIn, home: Path) -> None:
    people.token_answers = [people.tokens(ACCESS)]
    people.believed.clear()
    code, _, err = fedface("login")
    assert (code, ACCESS in err) == (1, False)
    assert "error: no such token ***; sign in again with: fedface login" in err
    assert kept_files(home) == []


def test_ctrl_c_ends_a_login_and_keeps_nothing(
    fedface: Invoke, people: FakeSignIn, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(issuer, "pause", interrupt)
    assert fedface("login")[0] == 130
    assert kept_files(home) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"issuer": None}, "takes API keys only"),
        ({"device_authorization": False}, "takes API keys only"),
        ({"issuer": "http://issuer.example"}, "the issuer is http://issuer.example: tokens travel by HTTPS only"),
        ({"discovery": {"issuer": "https://other.example"}}, "is of https://other.example"),
        ({"discovery": {"device_authorization_endpoint": None}}, "does not let devices sign in"),
        ({"discovery": {"token_endpoint": "http://issuer.example/token"}}, "tokens travel by HTTPS only"),
        ({"code": {"verification_uri": "javascript:alert(1)"}}, "the page to confirm the code is javascript:alert(1)"),
        ({"code": {"verification_uri_complete": "http://x.example"}}, "the page to confirm the code is http://x.example"),
        ({"code": {"expires_in": -1}}, "does not answer as OpenID Connect says (wrong: expires_in)"),
    ],
)
def test_an_api_or_an_issuer_that_cannot_be_used_is_told(
    fedface: Invoke, people: FakeSignIn, changes: dict[str, Any], says: str
) -> None:
    for name, value in changes.items():
        setattr(people, name, value)
    people.token_answers = [people.tokens(ACCESS)]
    code, _, err = fedface("login")
    assert code in (1, 2)
    assert says in err


def test_an_open_api_needs_no_login(fedface: Invoke, people: FakeSignIn, home: Path) -> None:
    people.is_open = True
    code, out, _ = fedface("login")
    assert (code, "there is no need to sign in" in out, kept_files(home)) == (0, True, [])
    assert fedface("whoami")[1] == f"nobody in particular, for sign-in is off there at {people.url}; roles: admin\n"


def test_nobody_logs_in_where_others_listen(fedface: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    how = WaysToSignIn(open=False, issuer="https://issuer.example", client_id="x", device_authorization=True)
    monkeypatch.setattr(ControlApi, "sign_in", lambda _api: how)
    code, _, err = fedface("login", "--api-url", "http://faces.example")
    assert (code, "http://faces.example has no TLS" in err) == (2, True)


def test_logout_forgets_the_session(fedface: Invoke, people: FakeSignIn, home: Path) -> None:
    people.token_answers = [people.tokens(ACCESS)]
    fedface("login")
    assert fedface("logout")[:2] == (0, f"the session at {people.url} is forgotten\n")
    assert kept_files(home) == []
    assert fedface("logout")[:2] == (0, f"there was no session at {people.url}\n")
    code, _, err = fedface("whoami")
    assert code == 1
    assert err == "error: no such token; sign in with `fedface login`, or give an API key in FEDFACE_TOKEN\n"
